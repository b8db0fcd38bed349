"""Uncertainty of a classifier's prediction: least confidence, margin, entropy.

All three work on log-softmax values and sum *small* probabilities instead of subtracting from one, so a
saturated network (float32 probability exactly 1) still gives a ranking instead of a block of ties, and p = 0
never becomes NaN.

Reference: Settles, *Active Learning Literature Survey*, University of Wisconsin-Madison TR 1648, 2009.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autoal.kernels.arrays import accepts_arrays
from autoal.kernels.checks import check_finite, check_logits, check_shape, compute_dtype, row_blocks


def by_rows(function: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Apply a row-wise function of log-probabilities block by block.

    Args:
        function: Maps ``(M, C)`` log-probabilities to ``(M,)``.
        logits: ``(N, C)`` logits of any floating type.

    Returns:
        ``(N,)`` in float32, or float64 for float64 input.

    Raises:
        AutoALError: If the logits are not a finite matrix.
    """
    check_logits("logits", logits)
    dtype = compute_dtype(logits)
    out = torch.empty(logits.shape[0], dtype=dtype, device=logits.device)
    for low, high in row_blocks(logits.shape[0], 4 * logits.shape[1], logits.device):
        out[low:high] = function(torch.log_softmax(logits[low:high].to(dtype), dim=1))
    return out


@accepts_arrays
def least_confidence(logits: Tensor) -> Tensor:
    r"""Score :math:`1 - \max_c p_c`, computed as the sum of the other probabilities.

    Args:
        logits: ``(N, C)`` logits or log-probabilities.

    Returns:
        ``(N,)`` in [0, 1 - 1/C], higher is more informative.

    Raises:
        AutoALError: If the logits are not a finite matrix.

    Example:
        >>> import torch
        >>> least_confidence(torch.tensor([[0.0, 0.0], [999.0, 0.0]]))
        tensor([0.5000, 0.0000])
    """
    return by_rows(lambda logp: _others(logp).sum(1), logits)


@accepts_arrays
def margin(logits: Tensor) -> Tensor:
    r"""Score :math:`1 - (p_{(1)} - p_{(2)})` of the two largest probabilities.

    Scheffer, Decomain, Wrobel, *Active Hidden Markov Models for Information Extraction*, IDA 2001. Computed as
    :math:`p_{(2)} + \sum_{c \ne (1)} p_c`, which is the same number without the cancellation.

    Args:
        logits: ``(N, C)`` logits or log-probabilities.

    Returns:
        ``(N,)`` in [0, 1], higher is more informative (1: the two best classes are equally probable). With a
        single class it is 0.

    Raises:
        AutoALError: If the logits are not a finite matrix.

    Example:
        >>> import torch
        >>> margin(torch.tensor([[0.0, 0.0, -999.0], [999.0, 0.0, 0.0]]))
        tensor([1., 0.])
    """

    def score(logp: Tensor) -> Tensor:
        others = _others(logp)
        return others.sum(1) + others.amax(1)

    return by_rows(score, logits)


@accepts_arrays
def entropy(logits: Tensor) -> Tensor:
    r"""Score :math:`-\sum_c p_c \log p_c` in nats.

    Args:
        logits: ``(N, C)`` logits or log-probabilities.

    Returns:
        ``(N,)`` in [0, log C], higher is more informative.

    Raises:
        AutoALError: If the logits are not a finite matrix.

    Example:
        >>> import torch
        >>> entropy(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
        tensor([0.6931, 0.3653])
    """
    # A probability that underflows to 0 keeps a finite logarithm here, so 0 * log 0 is 0 and not NaN; the clamp
    # covers logits so far apart that even the logarithm overflows.
    return by_rows(lambda logp: -(logp.exp() * logp.clamp(min=torch.finfo(logp.dtype).min)).sum(1), logits)


@accepts_arrays
def mean_log_prob(mc_logits: Tensor) -> Tensor:
    r"""Logarithm of the mean predicted probability over Monte-Carlo samples.

    :math:`\log \bar p_{nc} = \log \frac1T \sum_t \mathrm{softmax}(f_t(x_n))_c` (Gal, Islam, Ghahramani,
    *Deep Bayesian Active Learning with Image Data*, ICML 2017). The result may be given to every score of this
    module, e.g. ``margin(mean_log_prob(mc))``.

    Args:
        mc_logits: ``(T, N, C)`` logits of T stochastic passes.

    Returns:
        ``(N, C)`` finite log-probabilities.

    Raises:
        AutoALError: If the logits are not a finite ``(T, N, C)`` tensor.

    Example:
        >>> import torch
        >>> mean_log_prob(torch.tensor([[[999.0, 0.0]], [[0.0, 99.0]]])).exp()
        tensor([[0.5000, 0.5000]])
    """
    check_shape("mc_logits", mc_logits, None, None, None)
    check_finite("mc_logits", mc_logits)
    dtype = compute_dtype(mc_logits)
    samples, rows, classes = mc_logits.shape
    out = torch.empty(rows, classes, dtype=dtype, device=mc_logits.device)
    for low, high in row_blocks(rows, 3 * samples * classes, mc_logits.device):
        logp = torch.log_softmax(mc_logits[:, low:high].to(dtype), dim=2)
        out[low:high] = torch.logsumexp(logp, dim=0) - math.log(samples)
    return out.clamp(min=torch.finfo(dtype).min)


def _others(logp: Tensor) -> Tensor:
    """Probabilities with that of the predicted class set to zero."""
    return logp.exp().scatter(1, logp.argmax(1, keepdim=True), 0.0)
