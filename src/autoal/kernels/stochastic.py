"""Batches drawn at random in favour of high scores: the power, softmax and softrank forms."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import check_count, check_finite, check_shape
from autoal.kernels.precision import full_precision
from autoal.kernels.ties import log
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.rng import sample_uniform

Form = Literal["power", "softmax", "softrank"]
"""How a score becomes a chance."""


def gumbel(key: int, ids: Tensor) -> Tensor:
    r"""Standard Gumbel noise :math:`-\log(-\log u)` that depends only on the key and the sample's id.

    Args:
        key: A stream's seed, see :func:`autoal.rng.stream_seed`.
        ids: ``(N,)`` int64 sample ids.

    Returns:
        ``(N,)`` float64, the same bits for an id wherever it stands.

    Example:
        >>> noise = gumbel(7, torch.tensor([3, 5, 3]))
        >>> bool(noise[0] == noise[2])
        True
    """
    bits = sample_uniform(key, ids, 2, torch.float64)
    u = bits[:, 0] + (bits[:, 1] + 2.0**-25) * 2.0**-24  # 48 random bits, never 0 nor 1
    return -log(-log(u))


@full_precision()
def stochastic_batch(
    score: Tensor,
    n: int,
    key: int,
    ids: Tensor | None = None,
    form: Form = "power",
    beta: float = 1.0,
) -> Picks:
    r"""Draw a batch without replacement, with chances that grow with the score.

    Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron, Gal, *Stochastic Batch Acquisition: A Simple
    Baseline for Deep Active Learning*, TMLR 2023: the n largest of

    .. math:: \beta \log s_i + G_i \;(\text{power}), \quad \beta s_i + G_i \;(\text{softmax}), \quad
              -\beta \log r_i + G_i \;(\text{softrank}),

    with :math:`r_i` the rank of sample i (1: the highest score) and Gumbel noise :math:`G_i`, which is sampling
    without replacement from :math:`s^\beta`, :math:`e^{\beta s}` and :math:`r^{-\beta}`. The noise of a sample
    depends on the key and its id, so neither the order of the pool nor the number of processes changes the batch.

    Args:
        score: ``(N,)`` finite scores, higher is better; not negative for ``power``.
        n: Number of picks, 1 to N.
        key: A stream's seed.
        ids: ``(N,)`` int64 sample ids, or ``None`` for the rows.
        form: ``"power"``, ``"softmax"`` or ``"softrank"``.
        beta: Inverse temperature, not negative; 0 draws uniformly, a large one takes the n best. The paper uses 1.

    Returns:
        The picks, best perturbed score first. A score of zero has no chance in the power form; where fewer than n
        are positive the zeros follow, in the order of their noise. Logs ``zeros``, the picks of score zero in the
        power form.

    Raises:
        AutoALError: If shapes, values, n, form or beta are not usable.

    Example:
        >>> import torch
        >>> stochastic_batch(torch.tensor([0.0, 5.0, 0.0]), 1, key=0).index
        tensor([1])
    """
    check_shape("score", score, None)
    check_finite("score", score)
    check_count(n, score.shape[0])
    if form not in get_args(Form):
        raise AutoALError(f"form='{form}' is none of {', '.join(get_args(Form))}.")
    if not 0 <= beta < math.inf:
        raise AutoALError(f"beta={beta}: the inverse temperature must be finite and not negative.")
    if ids is None:
        ids = torch.arange(score.shape[0], device=score.device)
    check_shape("ids", ids, score.shape[0])
    ids = ids.to(score.device)
    value, noise = score.double(), gumbel(key, ids)
    zero = torch.zeros(value.shape, dtype=torch.bool, device=value.device)
    if form == "power":
        lowest = float(value.min())
        if lowest < 0:
            raise AutoALError(f"score holds the negative value {lowest:g}: use form='softmax' or 'softrank'.")
        zero = value == 0
        # The smallest normal number stands for those below it, which have no chance either way.
        perturbed = beta * log(value.clamp(min=1e-300)) + noise
    elif form == "softmax":
        perturbed = beta * value + noise
    else:
        order = torch.argsort(ids, stable=True)
        order = order[torch.argsort(value[order], descending=True, stable=True)]
        rank = torch.empty_like(value)
        rank[order] = torch.arange(1, len(value) + 1, dtype=value.dtype, device=value.device)
        perturbed = noise - beta * log(rank)
    if bool(zero.any()):
        floor = perturbed[~zero].min() if not bool(zero.all()) else perturbed.new_zeros(())
        perturbed = torch.where(zero, floor - 1 + noise - noise[zero].max(), perturbed)
    index = top_n(perturbed, n)
    return Picks(index, perturbed[index], {"zeros": float(zero[index].sum())})
