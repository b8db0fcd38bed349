"""FALCUN: uncertain samples, drawn away from each other in the space of predictions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_logits, choose_rest, row_blocks, uniform
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks
from autoal.kernels.uncertainty import margin


@full_precision()
def falcun(
    logits: Tensor,
    n: int,
    generator: torch.Generator,
    gamma: float = 10.0,
    progress: Progress | None = None,
) -> Picks:
    r"""Draw a batch with chances that grow with uncertainty plus distance to the picks.

    Gilhuber, Beer, Ma, Seidl, *FALCUN: A Simple and Efficient Deep Active Learning Strategy*, ECML PKDD 2024:
    with :math:`u_i = 1 - (p_{(1)} - p_{(2)})` and :math:`d_i` the smallest L1 distance of the predicted class
    distribution to those of the picks (:math:`u_i` before the first), sample i is drawn with a chance proportional
    to :math:`(u_i + \hat d_i)^\gamma`, where :math:`\hat d` is d scaled to [0, 1] over the pool. Only the scaled
    copy is scaled: the distances themselves stay comparable with those of later picks. A pick reads N C numbers.

    Args:
        logits: ``(N, C)`` logits of the pool.
        n: Number of picks, 1 to N.
        generator: The source of randomness.
        gamma: How much the best are favoured, not negative; the paper uses 10.
        progress: Called with (picks made, n).

    Returns:
        The picks in the order of the draw; the score is :math:`u_i + \hat d_i` at that moment. Where nothing has a
        chance, the rest is drawn uniformly with score 0. Logs ``filled``, how many those were.

    Raises:
        AutoALError: If shapes, values, n or gamma are not usable.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, 0.0], [99.0, 0.0], [99.0, 0.0]])
        >>> falcun(logits, 1, torch.Generator().manual_seed(0)).index
        tensor([0])
    """
    check_logits("logits", logits)
    check_count(n, logits.shape[0])
    if not 0 <= gamma < math.inf:
        raise AutoALError(f"gamma={gamma}: it must be finite and not negative.")
    unsure = margin(logits).double()
    nearest = unsure.clone()
    taken = torch.zeros(len(unsure), dtype=torch.bool, device=unsure.device)
    index, score = torch.empty(n, dtype=torch.int64), torch.zeros(n, dtype=torch.float64)
    for step in range(n):
        low, high = nearest.min(), nearest.max()
        spread = high - low
        value = unsure + ((nearest - low) / spread if bool(spread > 0) else torch.zeros_like(nearest))
        value = value.masked_fill(taken, 0.0)
        top = value.max()
        # Relative to the best, so that no power underflows for all of them at once.
        mass = torch.cumsum((value / top.clamp(min=1e-300)).pow(gamma).masked_fill_(value <= 0, 0.0), 0)
        if not bool(mass[-1] > 0):
            index[step:] = choose_rest(taken, n - step, generator)
            return _picks(index, score, n - step, logits)
        luck = (uniform(1, generator).to(mass.device) * mass[-1]).clamp(max=mass[-1] * (1 - 1e-15))
        row = min(int(torch.searchsorted(mass, luck, right=True)), len(mass) - 1)
        index[step], score[step] = row, value[row]
        taken[row] = True
        _approach(logits, row, nearest, first=step == 0)
        if progress is not None:
            progress(step + 1, n)
    return _picks(index, score, 0, logits)


def _picks(index: Tensor, score: Tensor, filled: int, logits: Tensor) -> Picks:
    return Picks(index.to(logits.device), score.to(logits.device), {"filled": float(filled)})


def _approach(logits: Tensor, row: int, nearest: Tensor, first: bool) -> None:
    """Lower the distances to the nearest pick by those to a new one; the first pick defines them."""
    centre = torch.softmax(logits[row].double(), 0)
    for low, high in row_blocks(logits.shape[0], 6 * logits.shape[1], logits.device):
        distance = (torch.softmax(logits[low:high].double(), 1) - centre).abs().sum(1)
        nearest[low:high] = distance if first else torch.minimum(nearest[low:high], distance)
    nearest[row] = 0.0
