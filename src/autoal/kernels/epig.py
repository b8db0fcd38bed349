"""EPIG: what a label would tell about the predictions that matter."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import check_finite, check_shape, row_blocks
from autoal.kernels.precision import full_precision
from autoal.kernels.ties import settled


@full_precision()
def epig(mc_logits: Tensor, target_mc_logits: Tensor | None = None, top_classes: int = 10) -> Tensor:
    r"""Expected predictive information gain about the labels of target samples.

    Bickford Smith, Kirsch, Farquhar, Gal, Foster, Rainforth, *Prediction-Oriented Bayesian Active Learning*,
    AISTATS 2023: the mean over targets :math:`x_*` of the mutual information of the labels y and :math:`y_*`,
    whose joint distribution is :math:`\frac1T \sum_t p_t(y|x) p_t(y_*|x_*)`. Costs :math:`N M T C^2` for M
    targets: one matrix product per block.

    Where there are more than ``top_classes + 1`` classes, each sample keeps its ``top_classes`` most probable ones
    (by the mean over passes) and merges the others into one. That never raises the information; it is exact as
    far as the merged classes carry none, and it is what makes a thousand classes possible.

    Args:
        mc_logits: ``(T, N, C)`` logits of T >= 2 stochastic passes over the pool.
        target_mc_logits: ``(T, M, C)`` logits of the *same* passes over the targets (the same dropout masks), or
            ``None`` for the pool itself. Never give test samples.
        top_classes: Classes that are kept apart, at least 1.

    Returns:
        ``(N,)`` float64 in nats, never negative, higher is more informative.

    Raises:
        AutoALError: If shapes or values are not usable, or T < 2.

    Example:
        >>> import torch
        >>> mc = torch.tensor([[[9.0, 0.0], [9.0, 0.0]], [[0.0, 9.0], [9.0, 0.0]]])
        >>> epig(mc).argmax()
        tensor(0)
    """
    _check("mc_logits", mc_logits)
    if top_classes < 1:
        raise AutoALError(f"top_classes={top_classes}: at least 1 class must be kept apart.")
    if target_mc_logits is None:
        target_mc_logits = mc_logits
    else:
        _check("target_mc_logits", target_mc_logits)
        check_shape("target_mc_logits", target_mc_logits, mc_logits.shape[0], None, mc_logits.shape[2])
    # In float64 throughout: the last bits of a product must not rank samples that are equal.
    dtype = torch.float64
    passes, rows, _ = mc_logits.shape
    targets = _coarse(target_mc_logits.to(dtype), top_classes)  # (T, M, K)
    columns = targets.flatten(1)  # (T, M K)
    marginal = columns.mean(0)
    kinds = targets.shape[2]
    out = torch.empty(rows, dtype=dtype, device=mc_logits.device)
    width = 5 * kinds * columns.shape[1] + 3 * passes * mc_logits.shape[2]
    for low, high in row_blocks(rows, width, mc_logits.device):
        p = _coarse(mc_logits[:, low:high].to(dtype), top_classes)
        joint = p.flatten(1).T @ columns / passes  # (m K, M K)
        product = p.mean(0).flatten()[:, None] * marginal
        # q log(q / r) - q + r sums to the same, is never negative, and rounding of first order cancels.
        terms = torch.xlogy(joint, joint / product.clamp(min=torch.finfo(dtype).tiny)) - joint + product
        out[low:high] = terms.view(high - low, -1).sum(1).clamp_(min=0) / targets.shape[1]
    return settled(out)


def _check(name: str, mc_logits: Tensor) -> None:
    check_shape(name, mc_logits, None, None, None)
    check_finite(name, mc_logits)
    if mc_logits.shape[0] < 2:
        raise AutoALError(f"{name} holds 1 Monte-Carlo sample: information about the weights needs at least 2.")


def _coarse(mc_logits: Tensor, top: int) -> Tensor:
    """Probabilities ``(T, m, K)``: all classes, or the most probable ones and the rest."""
    p = torch.softmax(mc_logits, dim=2)
    if p.shape[2] <= top + 1:
        return p
    kept = torch.sort(p.mean(0), dim=1, descending=True, stable=True).indices[:, :top]
    own = p.gather(2, kept.expand(len(p), -1, -1))
    rest = p.scatter(2, kept.expand(len(p), -1, -1), 0.0).sum(2, keepdim=True)
    return torch.cat([own, rest], 2)
