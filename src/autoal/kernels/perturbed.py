"""What moves when the last layer is shaken: noise stability and the least disagree metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_matrix, check_shape, row_blocks, uniform
from autoal.kernels.geometry import Points
from autoal.kernels.kcenter import kcenter
from autoal.kernels.precision import full_precision
from autoal.kernels.sampling import d2_sample
from autoal.kernels.types import Picks
from autoal.kernels.unit import unit_rows

DEVIATIONS = tuple(10.0 ** (0.25 * k - 4.0) for k in range(21))
"""Sizes of the steps of :func:`least_disagree`, as multiples of the weights' root mean square: 1e-4 to 10."""


@full_precision()
def noise_stability(
    embeddings: Tensor,
    weight: Tensor,
    bias: Tensor,
    n: int,
    generator: torch.Generator,
    draws: int = 50,
    scale: float = 1e-3,
    progress: Progress | None = None,
) -> Picks:
    r"""Pick samples whose predicted probabilities move most, and each in another way, when weights get noise.

    Li, Yang, Wang, Xu, Luo, Guo, Huang, *Deep Active Learning with Noise Stability*, AAAI 2024: the deviations of
    the output under J random perturbations of length :math:`\xi |\theta|` are concatenated, and greedy k-center is
    run on them: their length says how uncertain a sample is, their direction what about. This form perturbs the
    last layer (weights and biases) and looks at the softmax: logits would deviate by a random projection of the
    embedding alone, whatever the prediction. The traversal starts from the point that does not move.

    Args:
        embeddings: ``(N, D)`` inputs of the last layer.
        weight: ``(C, D)`` of the last layer.
        bias: ``(C,)`` of the last layer.
        n: Number of picks, 1 to N.
        generator: The source of randomness of the noise.
        draws: J, the number of perturbations; the call holds ``N J C`` numbers.
        scale: :math:`\xi`, the length of the noise relative to that of the parameters.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the distance of a pick's deviations, divided by :math:`\xi`, to the nearest pick
        or the origin. Logs what :func:`autoal.kernels.kcenter` logs.

    Raises:
        AutoALError: If shapes, values, n, ``draws`` or ``scale`` are not usable.

    Example:
        >>> import torch
        >>> z = torch.tensor([[9.0, 0.0], [1.0, 1.0]])
        >>> noise_stability(z, torch.eye(2), torch.zeros(2), 1, torch.Generator().manual_seed(0)).index
        tensor([1])
    """
    _check_head(embeddings, weight, bias)
    check_count(n, len(embeddings))
    if draws < 1:
        raise AutoALError(f"draws={draws}: at least 1 perturbation is needed.")
    if not 0 < scale < math.inf:
        raise AutoALError(f"scale={scale}: it must be positive and finite.")
    wide, offset = weight.double(), bias.double()
    theta = torch.cat([wide, offset[:, None]], 1)
    # A head of zeros has no length to be relative to.
    length = float(theta.norm()) or 1.0
    noise = torch.stack([_normal(theta.shape, generator) for _ in range(draws)]).to(theta)
    noise *= scale * length / noise.flatten(1).norm(dim=1)[:, None, None]
    classes = len(wide)
    features = torch.empty(len(embeddings), draws * classes, dtype=torch.float32, device=embeddings.device)
    steps = noise[:, :, :-1].flatten(0, 1).T.contiguous()  # (D, J C)
    for low, high in row_blocks(len(embeddings), 2 * embeddings.shape[1] + 8 * draws * classes, embeddings.device):
        x = embeddings[low:high].double()
        base = (x @ wide.T + offset)[:, None, :]
        moved = base + (x @ steps).view(-1, draws, classes) + noise[:, :, -1]
        # Rounded to float32 only here: equal rows become equal to the letter.
        features[low:high] = ((torch.softmax(moved, 2) - torch.softmax(base, 2)) / scale).flatten(1)
    return kcenter(features, n, torch.zeros_like(features[:1]), progress=progress)


@full_precision()
def least_disagree(
    embeddings: Tensor,
    weight: Tensor,
    bias: Tensor,
    generator: torch.Generator,
    deviations: Sequence[float] = DEVIATIONS,
    draws: int = 10,
    progress: Progress | None = None,
) -> Tensor:
    r"""Estimate how far the classifier has to move before it changes its mind about each sample.

    Cho, Kim, Lee, *Querying Easily Flip-flopped Samples for Deep Active Learning*, ICLR 2024: the least disagree
    metric of x is the smallest share of the pool, :math:`\rho(h, g) = P[h(X) \ne g(X)]`, on which a classifier h
    with :math:`h(x) \ne g(x)` disagrees with the present one. It is estimated over last layers drawn around the
    present one with growing variance. Here steps are relative to the root mean square of the weights, and every
    variance gets the same number of draws (the paper stops a variance when its estimates settle).

    Args:
        embeddings: ``(N, D)`` inputs of the last layer.
        weight: ``(C, D)`` of the last layer.
        bias: ``(C,)`` of the last layer.
        generator: The source of randomness.
        deviations: Standard deviations, relative.
        draws: Classifiers per deviation.
        progress: Called with (classifiers tried, all of them).

    Returns:
        ``(N,)`` float64 in (0, 1], *lower* is easier to flip; 1 for samples that never flipped.

    Raises:
        AutoALError: If shapes, values, ``deviations`` or ``draws`` are not usable.

    Example:
        >>> import torch
        >>> z = torch.tensor([[9.0, 0.0], [8.0, 0.0], [7.0, 0.0], [1.0, 0.9]])
        >>> least_disagree(z, torch.eye(2), torch.zeros(2), torch.Generator().manual_seed(0)).argmin()
        tensor(3)
    """
    _check_head(embeddings, weight, bias)
    if draws < 1:
        raise AutoALError(f"draws={draws}: at least 1 classifier per deviation is needed.")
    if not deviations or not all(0 < d < math.inf for d in deviations):
        raise AutoALError(f"deviations={list(deviations)}: positive, finite numbers are needed.")
    theta = torch.cat([weight.double(), bias.double()[:, None]], 1)
    size = float(weight.double().square().mean().sqrt()) or 1.0
    present = _predicted(embeddings, theta)
    out = torch.ones(len(embeddings), dtype=torch.float64, device=embeddings.device)
    total, done = draws * len(deviations), 0
    for deviation in deviations:
        for _ in range(draws):
            moved = theta + deviation * size * _normal(theta.shape, generator).to(theta)
            other = _predicted(embeddings, moved) != present
            share = float(other.double().mean())
            out[other] = out[other].clamp(max=share)
            done += 1
            if progress is not None:
                progress(done, total)
    return out


@full_precision()
def ldm_s(
    embeddings: Tensor,
    weight: Tensor,
    bias: Tensor,
    n: int,
    generator: torch.Generator,
    deviations: Sequence[float] = DEVIATIONS,
    draws: int = 10,
    progress: Progress | None = None,
) -> Picks:
    r"""Draw samples that are easy to flip, away from each other: LDM-S.

    Cho, Kim, Lee, ICLR 2024: the first pick has the least disagree metric L; the others are seeded as in
    k-means++, with cosine distances of the embeddings and weights :math:`e^{-(L_i - L_q)_+ / L_q}`, where
    :math:`L_q` is the n-th smallest value.

    Args:
        embeddings: ``(N, D)`` inputs of the last layer.
        weight: ``(C, D)`` of the last layer.
        bias: ``(C,)`` of the last layer.
        n: Number of picks, 1 to N.
        generator: The source of randomness.
        deviations: See :func:`least_disagree`.
        draws: See :func:`least_disagree`.
        progress: Called with (classifiers tried, all of them).

    Returns:
        The picks; the score is minus the least disagree metric. Logs ``flipped`` (share of the pool that ever
        flipped), ``ldm_batch`` (:math:`L_q`) and ``filled`` (rows taken at random because every one left repeats
        the direction of a pick or has no weight).

    Raises:
        AutoALError: If shapes, values, n or an option are not usable.

    Example:
        >>> import torch
        >>> z = torch.tensor([[9.0, 0.0], [8.0, 0.0], [7.0, 0.0], [1.0, 0.9]])
        >>> ldm_s(z, torch.eye(2), torch.zeros(2), 1, torch.Generator().manual_seed(0)).index
        tensor([3])
    """
    check_count(n, len(embeddings))
    metric = least_disagree(embeddings, weight, bias, generator, deviations, draws, progress)
    edge = float(torch.sort(metric).values[n - 1])
    weights = torch.exp(-(metric - edge).clamp(min=0) / edge)
    lowest = (metric == metric.min()).nonzero().squeeze(1)
    first = int(lowest[min(int(float(uniform(1, generator)) * len(lowest)), len(lowest) - 1)])
    seeds = d2_sample(Points(unit_rows(embeddings)), n, generator, first, weights)
    index = seeds.index.to(embeddings.device)
    log = {"flipped": float((metric < 1).double().mean()), "ldm_batch": edge, "filled": float(seeds.filled)}
    return Picks(index, -metric[index], log)


def _check_head(embeddings: Tensor, weight: Tensor, bias: Tensor) -> None:
    check_matrix("embeddings", embeddings)
    check_matrix("weight", weight, columns=embeddings.shape[1])
    check_shape("bias", bias, weight.shape[0])


def _normal(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _predicted(embeddings: Tensor, theta: Tensor) -> Tensor:
    """Predicted class of each row under a last layer ``(C, D + 1)``."""
    out = torch.empty(len(embeddings), dtype=torch.int64, device=embeddings.device)
    for low, high in row_blocks(len(embeddings), 2 * embeddings.shape[1] + 2 * len(theta), embeddings.device):
        out[low:high] = torch.addmm(theta[:, -1], embeddings[low:high].double(), theta[:, :-1].T).argmax(1)
    return out
