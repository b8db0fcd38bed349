r"""The candidate searches of ALFA-Mix: which samples change their predicted label when mixed with labelled ones.

A sample :math:`h` with predicted class :math:`y` is moved towards the mean :math:`a_k` of labelled class k,
:math:`\tilde h = (1 - \alpha) \odot h + \alpha \odot a_k`, and becomes a candidate when the linear head
:math:`f(h) = W h + b` predicts another class for :math:`\tilde h`. How far it may move is bounded by a cap that
grows in steps until there are more candidates than picks. Every search here returns, per sample, the cap at which
it flips (infinite if it never does); thresholding and clustering are common to all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from autoal.kernels.checks import Progress, compute_dtype, row_blocks
from autoal.kernels.geometry import softmax_residual
from autoal.kernels.lloyd import add_by_cluster

_LOWEST_ALPHA = 1e-8


class Mixing(NamedTuple):
    """What every search needs, all on one device.

    Attributes:
        h: ``(N, D)`` pool embeddings, in storage precision.
        y: ``(N,)`` predicted classes.
        anchors: ``(C, D)`` class means of the labelled embeddings, in the computing type.
        weight: ``(C, D)`` weight of the head, in the computing type.
        bias: ``(C,)`` bias of the head, in the computing type.
    """

    h: Tensor
    y: Tensor
    anchors: Tensor
    weight: Tensor
    bias: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """The computing type."""
        return compute_dtype(self.h)

    def rows(self, index: slice | Tensor) -> Tensor:
        """Some embeddings in the computing type."""
        return self.h[index].to(self.dtype)

    def predict(self, h: Tensor) -> Tensor:
        """Logits of the head."""
        return torch.addmm(self.bias, h, self.weight.T)


class Flips(NamedTuple):
    """When samples flip.

    Attributes:
        cap: ``(N,)`` cap at which the label of each sample flips; infinite if it does not.
        log: Scalars about the perturbations.
    """

    cap: Tensor
    log: dict[str, float]


def caps(step: float) -> list[float]:
    """The growing caps ``step, 2 step, ...``; the last one is the first that reaches 1."""
    return [step * i for i in range(1, math.ceil(1 / step - 1e-9) + 1)]


def class_means(embeddings: Tensor, targets: Tensor, classes: int) -> Tensor:
    """Mean embedding of each class in float64, ``(classes, D)``; a class without samples gets the mean of all."""
    rows, width = embeddings.shape
    targets = targets.to(embeddings.device).long()
    sums = torch.zeros(classes, width, dtype=torch.float64, device=embeddings.device)
    for low, high in row_blocks(rows, 4 * width, embeddings.device):
        add_by_cluster(sums, embeddings[low:high].double(), targets[low:high])
    counts = targets.bincount(minlength=classes).unsqueeze(1)
    return torch.where(counts > 0, sums / counts.clamp(min=1), sums.sum(0) / rows)


def ray_search(mixing: Mixing, progress: Progress | None = None) -> Flips:
    r"""The closed form, solved exactly along a ray: no loop over classes and none over caps.

    The closed-form perturbation of the paper is
    :math:`\alpha = \epsilon \|z\| \hat g \oslash z` with :math:`z = a_k - h` and the normalised gradient
    :math:`\hat g` of the loss at the predicted label, so the mixed embedding is
    :math:`h + \epsilon \|a_k - h\| \hat g`: its direction does not depend on the anchor, which only sets the
    radius. Along a ray the head is linear and the largest radius decides. With :math:`F = W h + b` and
    :math:`S = W \hat g`, the label flips at

    .. math:: t^* = \min_{j : S_j > S_y} (F_y - F_j) / (S_j - S_y), \quad
              cap^* = \sqrt D \, t^* / \max_k \|a_k - h\|

    since :math:`\epsilon = cap / \sqrt D`. Neither :math:`\hat g` nor the mixed embeddings are written out:
    :math:`S` and :math:`\|g\|` follow from the Gram matrix of the head.

    A sample whose gradient is zero in the computing type (a saturated prediction) has no direction and is never a
    candidate.

    Args:
        mixing: Embeddings, predictions, anchors and head.
        progress: Called with (rows done, rows).

    Returns:
        The caps; logs the mean radius.
    """
    rows, width = mixing.h.shape
    classes = mixing.weight.shape[0]
    out = torch.full((rows,), torch.inf, dtype=mixing.dtype, device=mixing.h.device)
    # The residual sums to zero, so the mean of the weights cancels; removing it first keeps the digits of |g|.
    centred = mixing.weight - mixing.weight.mean(0)
    gram = centred @ centred.T
    # Distances to the anchors do not change under a common shift; near the pool they cancel less.
    shift = mixing.anchors.mean(0)
    anchors = mixing.anchors - shift
    anchor_norms = anchors.square().sum(1)
    radius_sum = 0.0
    for low, high in row_blocks(rows, 2 * width + 6 * classes, mixing.h.device):
        h, y = mixing.rows(slice(low, high)), mixing.y[low:high].unsqueeze(1)
        f = mixing.predict(h)
        residual, alive = _unit_residual(f, y)
        s = residual @ gram
        length = (s * residual).sum(1, keepdim=True).clamp_(min=0).sqrt()
        gap = f.gather(1, y) - f
        slope = s - s.gather(1, y)
        slope.scatter_(1, y, -1.0)
        step = torch.where(slope > 0, gap * length / slope, torch.inf).amin(1)
        h = h - shift
        squared = torch.addmm(anchor_norms, h, anchors.T, alpha=-2).amax(1) + h.square().sum(1)
        radius = squared.clamp_(min=0).sqrt()
        cap = math.sqrt(width) * step / radius
        useful = alive & (length.squeeze(1) > 0) & (radius > 0)
        out[low:high] = torch.where(useful, cap, torch.inf)
        radius_sum += float(radius.double().sum())
        if progress is not None:
            progress(high, rows)
    return Flips(out, {"radius_mean": radius_sum / rows})


def loop_search(mixing: Mixing, n: int, alpha_cap: float, progress: Progress | None = None) -> Flips:
    r"""The closed form as it was published: every cap, every class, element-wise :math:`\alpha`.

    Kept as the reference for :func:`ray_search`. It differs from it in one documented way: the element-wise
    division by :math:`z + 10^{-8}` leaves a coordinate unmoved where the anchor agrees with the sample exactly
    (dead units after a ReLU).

    Args:
        mixing: Embeddings, predictions, anchors and head.
        n: Caps grow until there are more than n candidates.
        alpha_cap: First cap and step.
        progress: Called with (caps done, caps).

    Returns:
        The first cap of the grid at which each sample flips, and how often labels flipped.
    """
    rows, width = mixing.h.shape
    out = torch.full((rows,), torch.inf, dtype=mixing.dtype, device=mixing.h.device)
    flips = 0
    low_alpha, high_alpha = math.inf, -math.inf
    grid = caps(alpha_cap)
    for done, cap in enumerate(grid, start=1):
        eps = cap / math.sqrt(width)
        for low, high in row_blocks(rows, 6 * width, mixing.h.device):
            h, y = mixing.rows(slice(low, high)), mixing.y[low:high]
            residual, alive = _unit_residual(mixing.predict(h), y.unsqueeze(1))
            g = residual @ mixing.weight
            length = g.norm(dim=1, keepdim=True)
            alive &= length.squeeze(1) > 0
            g = g / length.clamp(min=torch.finfo(mixing.dtype).tiny)
            for anchor in mixing.anchors:
                z = anchor - h
                alpha = eps * z.norm(dim=1, keepdim=True) * g / (z + _LOWEST_ALPHA)
                flip = alive & (mixing.predict((1 - alpha) * h + alpha * anchor).argmax(1) != y)
                flips += int(flip.sum())
                if bool(flip.any()):
                    low_alpha = min(low_alpha, float(alpha[flip].min()))
                    high_alpha = max(high_alpha, float(alpha[flip].max()))
                out[low:high] = torch.where(flip, out[low:high].clamp(max=cap), out[low:high])
        if progress is not None:
            progress(done, len(grid))
        if int(torch.isfinite(out).sum()) > n:
            break
    log = {"flips": float(flips)}
    if flips:
        log |= {"alpha_min": low_alpha, "alpha_max": high_alpha}
    return Flips(out, log)


def learned_search(
    mixing: Mixing,
    n: int,
    generator: torch.Generator,
    alpha_cap: float,
    iterations: int,
    learning_rate: float,
    clf_coef: float,
    l2_coef: float,
    progress: Progress | None = None,
) -> Flips:
    r"""Random or learned :math:`\alpha`, each class and cap in batches, without autograd.

    For every cap and class, :math:`\alpha_0 \sim N(cap/2, cap/2)` clamped to [1e-8, cap]. Each iteration tests
    whether the mixed sample flips and then takes a step of size ``learning_rate`` (a tenth in the last third)
    along the sign of the gradient of
    :math:`-c_{clf} \, CE(f(\tilde h), y) + c_{l2} \|\alpha\|`, which is what the first step of a new Adam does.
    The gradient is analytic for a linear head. A sample that flipped at this cap is not tested again, which does
    not change who is a candidate; the step after the last test is skipped for the same reason.

    Args:
        mixing: Embeddings, predictions, anchors and head.
        n: Caps grow until there are more than n candidates.
        generator: The source of randomness.
        alpha_cap: First cap and step.
        iterations: Tests per class and cap; 1 is the random, unlearned form.
        learning_rate: Step size.
        clf_coef: Coefficient of the cross-entropy.
        l2_coef: Coefficient of the norm.
        progress: Called with (caps done, caps).

    Returns:
        The first cap of the grid at which each sample flips, and statistics of the :math:`\alpha` that did it.
    """
    rows, width = mixing.h.shape
    device = mixing.h.device
    # Drawing N x D normals on the CPU and moving them would take longer than the search on an accelerator.
    local = generator
    if device.type != generator.device.type:
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        local = torch.Generator(device).manual_seed(seed)
    out = torch.full((rows,), torch.inf, dtype=mixing.dtype, device=device)
    norm_sum, found = 0.0, 0
    grid = caps(alpha_cap)
    for done, cap in enumerate(grid, start=1):
        for anchor in mixing.anchors:
            open_rows = torch.isinf(out).nonzero().squeeze(1)
            for low, high in row_blocks(open_rows.numel(), 6 * width, device):
                index = open_rows[low:high]
                norms, flipped = _learn(
                    mixing, anchor, index, local, cap, iterations, learning_rate, clf_coef, l2_coef
                )
                out[index[flipped]] = cap
                norm_sum += norms
                found += int(flipped.sum())
        if progress is not None:
            progress(done, len(grid))
        if found > n:
            break
    log = {"flips": float(found)}
    if found:
        log["alpha_norm_mean"] = norm_sum / found
    return Flips(out, log)


def _learn(
    mixing: Mixing,
    anchor: Tensor,
    index: Tensor,
    generator: torch.Generator,
    cap: float,
    iterations: int,
    learning_rate: float,
    clf_coef: float,
    l2_coef: float,
) -> tuple[float, Tensor]:
    """One class, one cap, some rows: the summed norms of the flipping alphas, and which rows flipped."""
    h, y = mixing.rows(index), mixing.y[index]
    z = anchor - h
    noise = torch.randn(h.shape, generator=generator, device=generator.device, dtype=mixing.dtype).to(h.device)
    alpha = (cap / 2 + cap / 2 * noise).clamp_(_LOWEST_ALPHA, cap)
    flipped = torch.zeros(h.shape[0], dtype=torch.bool, device=h.device)
    active = torch.arange(h.shape[0], device=h.device)
    norms = 0.0
    for iteration in range(iterations):
        logits = mixing.predict(torch.addcmul(h, alpha, z))
        flip = logits.argmax(1) != y
        flipped[active[flip]] = True
        norms += float(alpha[flip].norm(dim=1).sum())
        if iteration == iterations - 1 or bool(flip.all()):
            break
        keep = ~flip
        active, h, y, z, alpha, logits = active[keep], h[keep], y[keep], z[keep], alpha[keep], logits[keep]
        residual = torch.softmax(logits, 1)
        residual[torch.arange(y.numel(), device=y.device), y] -= 1
        gradient = z * (residual @ mixing.weight) * -clf_coef + l2_coef * alpha / alpha.norm(dim=1, keepdim=True)
        rate = learning_rate if iteration < 2 / 3 * iterations else learning_rate / 10
        alpha = (alpha - rate * gradient / (gradient.abs() + 1e-8)).clamp_(_LOWEST_ALPHA, cap)
    return norms, flipped


def _unit_residual(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of the loss at the logits, scaled to keep its digits, and which rows have one at all.

    Args:
        logits: ``(M, C)``.
        y: ``(M, 1)`` predicted classes.

    Returns:
        ``softmax - onehot(y)`` divided by ``1 - p_y``, and ``(M,)`` bool, false where ``1 - p_y`` is zero in the
        computing type: such a sample is saturated.
    """
    residual = softmax_residual(logits)
    top = logits.argmax(1, keepdim=True)
    if not torch.equal(top, y):
        # Stored predictions may disagree with the head on rounding ties: take the gradient at the stored label.
        p = torch.log_softmax(logits, dim=1).exp_().scatter_(1, y, 0.0)
        residual = torch.where(top == y, residual, p.scatter(1, y, -p.sum(1, keepdim=True)))
    scale = -residual.gather(1, y)
    alive = scale.squeeze(1) > 0
    return residual / scale.clamp(min=torch.finfo(logits.dtype).tiny), alive
