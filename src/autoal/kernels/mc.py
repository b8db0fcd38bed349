"""Disagreement between Monte-Carlo samples of a network (MC dropout): BALD, variation ratio, mean std.

Reference: Gal, Islam, Ghahramani, *Deep Bayesian Active Learning with Image Data*, ICML 2017.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.arrays import accepts_arrays
from autoal.kernels.checks import check_finite, check_shape, compute_dtype, row_blocks


@accepts_arrays
def bald(mc_logits: Tensor) -> Tensor:
    r"""Mutual information between the label and the network's weights.

    Houlsby, Huszar, Ghahramani, Lengyel, *Bayesian Active Learning for Classification and Preference Learning*,
    2011: :math:`H[\bar p] - \frac1T \sum_t H[p_t]`, computed as the equal
    :math:`\frac1T \sum_t KL(p_t \,\|\, \bar p)`, where nearly identical samples do not cancel.

    Args:
        mc_logits: ``(T, N, C)`` logits of T >= 2 stochastic passes.

    Returns:
        ``(N,)`` in nats, never negative, higher is more informative.

    Raises:
        AutoALError: If the logits are not finite, not ``(T, N, C)``, or T < 2.

    Example:
        >>> import torch
        >>> agree, disagree = [5.0, 0.0], [0.0, 5.0]
        >>> bald(torch.tensor([[agree, agree], [agree, disagree]])).argmax()
        tensor(1)
    """

    def score(logp: Tensor) -> Tensor:
        mean = torch.logsumexp(logp, dim=0, keepdim=True) - torch.log(logp.new_tensor(float(logp.shape[0])))
        ratio = logp - mean  # at most log T
        # p log(p/m) - p + m sums to the same, is never negative, and rounding errors of first order cancel.
        return (mean.exp() * (ratio * ratio.exp() - torch.expm1(ratio))).sum(2).mean(0).clamp(min=0)

    return _by_rows(score, mc_logits)


@accepts_arrays
def var_ratio(mc_logits: Tensor) -> Tensor:
    r"""Variation ratio :math:`1 - f_{mode} / T` of the classes that T samples predict.

    Freeman, *Elementary Applied Statistics*, 1965. It counts votes; it is not ``1 - max p`` of one pass.

    Args:
        mc_logits: ``(T, N, C)`` logits of T >= 2 stochastic passes.

    Returns:
        ``(N,)`` in [0, 1 - 1/T], higher is more informative.

    Raises:
        AutoALError: If the logits are not finite, not ``(T, N, C)``, or T < 2.

    Example:
        >>> import torch
        >>> agree, disagree = [5.0, 0.0], [0.0, 5.0]
        >>> var_ratio(torch.tensor([[agree, agree], [agree, disagree]]))
        tensor([0.0000, 0.5000])
    """

    def score(logp: Tensor) -> Tensor:
        votes = logp.argmax(2)  # (T, M)
        counts = torch.zeros(logp.shape[1:], dtype=torch.int64, device=logp.device)
        counts.scatter_add_(1, votes.T, torch.ones_like(votes.T))
        return 1 - counts.amax(1).to(logp.dtype) / logp.shape[0]

    return _by_rows(score, mc_logits)


@accepts_arrays
def mean_std(mc_logits: Tensor) -> Tensor:
    r"""Mean over classes of the standard deviation over samples.

    :math:`\frac1C \sum_c \sqrt{\frac1T \sum_t (p_{tc} - \bar p_c)^2}` (Kampffmeyer, Salberg, Jenssen, *Semantic
    Segmentation of Small Objects and Modeling of Uncertainty*, CVPRW 2016).

    Args:
        mc_logits: ``(T, N, C)`` logits of T >= 2 stochastic passes.

    Returns:
        ``(N,)`` in [0, 0.5], higher is more informative.

    Raises:
        AutoALError: If the logits are not finite, not ``(T, N, C)``, or T < 2.

    Example:
        >>> import torch
        >>> agree, disagree = [99.0, 0.0], [0.0, 99.0]
        >>> mean_std(torch.tensor([[agree, agree], [agree, disagree]]))
        tensor([0.0000, 0.5000])
    """
    return _by_rows(lambda logp: logp.exp().std(0, correction=0).mean(1), mc_logits)


def _by_rows(function: Callable[[Tensor], Tensor], mc_logits: Tensor) -> Tensor:
    """Apply a function of ``(T, M, C)`` log-probabilities block by block over the rows."""
    check_shape("mc_logits", mc_logits, None, None, None)
    check_finite("mc_logits", mc_logits)
    samples, rows, classes = mc_logits.shape
    if samples < 2:
        raise AutoALError(f"mc_logits holds {samples} Monte-Carlo sample: disagreement needs at least 2.")
    dtype = compute_dtype(mc_logits)
    out = torch.empty(rows, dtype=dtype, device=mc_logits.device)
    for low, high in row_blocks(rows, 3 * samples * classes, mc_logits.device):
        logp = torch.log_softmax(mc_logits[:, low:high].to(dtype), dim=2)
        out[low:high] = function(logp.clamp(min=torch.finfo(dtype).min / 2))
    return out
