"""Distance to the decision boundary, measured by the smallest adversarial perturbation that a search finds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_finite
from autoal.kernels.precision import full_precision

Forward = Callable[[Tensor], Tensor]
"""Maps inputs ``(M, ...)`` to logits ``(M, C)``, sample by sample (evaluation mode), differentiably."""

_OVERSHOOT = 0.02


@full_precision()
def bim_distance(
    forward: Forward,
    x: Tensor,
    eps: float = 0.05,
    max_iter: int = 50,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> Tensor:
    r"""Squared length of the perturbation with which the basic iterative method changes the predicted label.

    Kurakin, Goodfellow, Bengio, *Adversarial Examples in the Physical World*, ICLR workshop 2017:
    :math:`x \leftarrow x + \epsilon \, \mathrm{sign} \nabla_x CE(f(x), \hat y)` until the label is no longer
    :math:`\hat y`. Samples that have changed leave the batch.

    Args:
        forward: Maps ``(M, ...)`` to logits ``(M, C)``; it must treat samples one by one.
        x: ``(N, ...)`` inputs.
        eps: Step per coordinate, in units of the input.
        max_iter: Largest number of steps per sample.
        batch_size: Samples per call of ``forward``.
        progress: Called with (samples done, N).

    Returns:
        ``(N,)`` squared Euclidean lengths, infinite where no step changed the label. Near the boundary is small,
        so the acquisition score is its negative.

    Raises:
        AutoALError: If the inputs or the logits are not finite, or an option is out of range.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [9.0, 0.0]])  # the label is the larger coordinate
        >>> bim_distance(lambda batch: batch, x, eps=1.0, max_iter=9).argmin()
        tensor(0)
    """
    if not eps > 0:
        raise AutoALError(f"eps={eps}: the step must be positive.")

    def move(now: Tensor, y: Tensor, logits: Tensor) -> Tensor:
        loss = torch.nn.functional.cross_entropy(logits.to(now.dtype), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, now)
        return eps * gradient.sign()

    return _search(forward, x, move, max_iter, batch_size, 0.0, progress)


@full_precision()
def deepfool_distance(
    forward: Forward,
    x: Tensor,
    max_iter: int = 50,
    max_classes: int | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> Tensor:
    r"""Squared length of the DeepFool perturbation, the shortest one if the classifier were linear.

    Moosavi-Dezfooli, Fawzi, Frossard, *DeepFool*, CVPR 2016, algorithm 2; as an acquisition rule: Ducoffe,
    Precioso, *Adversarial Active Learning for Deep Networks*, 2018. Each step goes to the nearest boundary of the
    linearised classifier, :math:`l = \arg\min_{k \ne \hat y} |f'_k| / \|w'_k\|` with
    :math:`f'_k = f_k - f_{\hat y}` and
    :math:`w'_k = \nabla f_k - \nabla f_{\hat y}`, by :math:`|f'_l| \, w'_l / \|w'_l\|^2`, until the label changes.

    Args:
        forward: Maps ``(M, ...)`` to logits ``(M, C)``; it must treat samples one by one.
        x: ``(N, ...)`` inputs.
        max_iter: Largest number of steps per sample.
        max_classes: Only the boundaries to this many most probable other classes are looked at, or all with
            ``None``; each costs one backward pass per step.
        batch_size: Samples per call of ``forward``.
        progress: Called with (samples done, N).

    Returns:
        ``(N,)`` squared Euclidean lengths, infinite where no step changed the label. Exact for a linear model.

    Raises:
        AutoALError: If the inputs or the logits are not finite, or an option is out of range.

    Example:
        >>> import torch
        >>> x = torch.tensor([[2.0, 0.0], [4.0, 0.0]])  # the label is the larger coordinate
        >>> deepfool_distance(lambda batch: batch, x).round(decimals=1)
        tensor([2., 8.])
    """
    if max_classes is not None and max_classes < 1:
        raise AutoALError(f"max_classes={max_classes}: at least 1 other class is needed.")

    def move(now: Tensor, y: Tensor, logits: Tensor) -> Tensor:
        others = logits.shape[1] - 1
        kept = others if max_classes is None else min(max_classes, others)
        own = logits.gather(1, y.unsqueeze(1))
        rounding = torch.finfo(logits.dtype).eps * own.detach().squeeze(1).abs().to(now.dtype)
        ranked = logits.detach().scatter(1, y.unsqueeze(1), -torch.inf).topk(kept, dim=1).indices
        best = torch.full((now.shape[0],), torch.inf, dtype=now.dtype, device=now.device)
        step = torch.zeros_like(now)
        for place in range(kept):
            difference = (logits.gather(1, ranked[:, place : place + 1]) - own).squeeze(1).to(now.dtype)
            (gradient,) = torch.autograd.grad(difference.sum(), now, retain_graph=True)
            size = gradient.flatten(1).square().sum(1)
            # Logits that tie after rounding would make a step of length 0, and the search would stand still.
            value = difference.detach().abs() + rounding
            # A boundary with no gradient cannot be reached; its distance is infinite, not 0 / 0.
            distance = torch.where(size > 0, value / size.sqrt(), torch.inf)
            nearer = distance < best
            best = torch.where(nearer, distance, best)
            scaled = gradient * _per_row(value / size.clamp(min=torch.finfo(size.dtype).tiny), now)
            step = torch.where(_per_row(nearer, now), scaled, step)
        return step

    return _search(forward, x, move, max_iter, batch_size, _OVERSHOOT, progress)


def _search(
    forward: Forward,
    x: Tensor,
    move: Callable[[Tensor, Tensor, Tensor], Tensor],
    max_iter: int,
    batch_size: int,
    overshoot: float,
    progress: Progress | None,
) -> Tensor:
    """Perturb batches until their labels change.

    ``overshoot`` is the relative excess at which the label is *tested*: a step that ends exactly on the boundary
    would be decided by rounding. The excess is not part of the reported distance.
    """
    if x.ndim < 2 or x.shape[0] < 1:
        raise AutoALError(f"x has shape {tuple(x.shape)}, but (N, ...) with at least one sample is needed.")
    if max_iter < 1 or batch_size < 1:
        raise AutoALError(f"max_iter={max_iter}, batch_size={batch_size}: both must be at least 1.")
    check_finite("x", x)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    # A pool pass usually runs in inference mode, where no gradient could be taken; everything that is written
    # to is made inside this block for that reason.
    with torch.inference_mode(False), torch.enable_grad():
        out = torch.full((x.shape[0],), torch.inf, dtype=wide, device=x.device)
        for low in range(0, x.shape[0], batch_size):
            start = x[low : low + batch_size].clone().to(wide)
            with torch.no_grad():
                y = _logits(forward, start.to(x.dtype)).argmax(1)
            active = torch.arange(start.shape[0], device=x.device)
            total = torch.zeros_like(start)
            for iteration in range(max_iter + 1):
                now = (start[active] + (1 + overshoot) * total[active]).requires_grad_(True)
                logits = _logits(forward, now.to(x.dtype))
                changed = logits.detach().argmax(1) != y[active]
                done = active[changed]
                out[low + done] = total[done].flatten(1).square().sum(1)
                if iteration == max_iter or bool(changed.all()):
                    break
                step = move(now, y[active], logits).detach()
                total[active[~changed]] += step[~changed]
                active = active[~changed]
            if progress is not None:
                progress(min(x.shape[0], low + batch_size), x.shape[0])
    return out


def _logits(forward: Forward, x: Tensor) -> Tensor:
    """Call the model and refuse what cannot be ranked."""
    logits = forward(x)
    if logits.ndim != 2 or logits.shape[0] != x.shape[0] or logits.shape[1] < 2:
        raise AutoALError(
            f"forward returned shape {tuple(logits.shape)} for {x.shape[0]} samples: (M, C >= 2) is needed."
        )
    check_finite("the logits of forward", logits.detach())
    return logits


def _per_row(values: Tensor, like: Tensor) -> Tensor:
    """Shape ``(M,)`` so that it broadcasts over the trailing dimensions of ``like``."""
    return values.view(-1, *([1] * (like.ndim - 1)))
