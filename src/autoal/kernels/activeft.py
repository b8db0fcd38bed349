"""ActiveFT: a batch whose distribution is that of the pool and whose members differ."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_matrix, row_blocks, uniform
from autoal.kernels.precision import full_precision
from autoal.kernels.rows import Rows
from autoal.kernels.ties import TIE
from autoal.kernels.types import Picks


@full_precision()
def activeft(
    features: Tensor,
    n: int,
    generator: torch.Generator,
    labelled: Tensor | None = None,
    steps: int = 300,
    lr: float = 1e-3,
    temperature: float = 0.07,
    balance: float = 1.0,
    progress: Progress | None = None,
) -> Picks:
    r"""Move n points on the sphere so that they follow the pool and keep apart, and take their nearest samples.

    Xie et al., *Active Finetuning: Exploiting Annotation Budget in the Pretraining-Finetuning Paradigm*, CVPR
    2023. With unit features z, points c, :math:`s_i = \max_k z_i \cdot c_k / \tau`, k(i) the point that attains it
    and :math:`R_k = \lambda \sum_j e^{c_j \cdot c_k / \tau}`, Adam minimises
    :math:`-\frac1N \sum_i \log (e^{s_i} / (e^{s_i} + R_{k(i)}))`, the points c_j of the inner sum being
    constants. Only the nearest point of a sample enters, so a step is one blocked product and the state is
    O(N + n D). Labelled samples are further points, which do not move.

    Args:
        features: ``(N, D)`` pool, any floating type; rows are divided by their lengths, sums are float64.
        n: Number of picks, 1 to N.
        generator: Draws the samples on which the points start.
        labelled: ``(L, D)`` labelled samples, or None.
        steps: Steps of Adam with all samples.
        lr: Its learning rate.
        temperature: tau, above 0.
        balance: lambda, how strongly points repel each other.
        progress: Called with (steps done, ``steps``).

    Returns:
        The picks, in the order of the points; each takes its nearest sample that no earlier one has. The score is
        the cosine between the two. Logs the final ``loss``.

    Raises:
        AutoALError: If shapes, values, n or an option are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [0.99, 0.1], [0.0, 1.0], [0.1, 0.99]])
        >>> picks = activeft(x, 2, torch.Generator().manual_seed(0), steps=50, lr=0.05)
        >>> sorted((picks.index // 2).tolist())  # one of each group
        [0, 1]
    """
    check_matrix("features", features)
    check_count(n, features.shape[0])
    if not (temperature > 0 and lr > 0 and balance >= 0 and steps >= 0):
        raise AutoALError(
            f"activeft: temperature={temperature:g} and lr={lr:g} must be above 0, balance={balance:g} and "
            f"steps={steps} not below."
        )
    rows = Rows(features, features.shape[0], World(), normalise=True)
    fixed = torch.zeros(0, features.shape[1], dtype=torch.float64, device=features.device)
    if labelled is not None and labelled.shape[0] > 0:
        check_matrix("labelled", labelled, columns=features.shape[1])
        fixed = rows.unit(labelled.to(features.device), torch.float64)[0]
    start = torch.argsort(uniform(rows.n, generator), stable=True)[:n].to(features.device)
    points = rows.unit(features[start], torch.float64)[0].clone()
    optimiser = torch.optim.Adam([points], lr=lr)
    loss = _loss_and_gradient(rows, points, fixed, temperature, balance)[0]
    for step in range(steps):
        points.grad = _loss_and_gradient(rows, points, fixed, temperature, balance)[1]
        optimiser.step()
        points.div_(points.norm(dim=1, keepdim=True).clamp_(min=1e-12))
        if progress is not None:
            progress(step + 1, steps)
    if steps:
        loss = _loss_and_gradient(rows, points, fixed, temperature, balance)[0]
    index, score = _nearest_in_turn(rows, points)
    return Picks(index, score, {"loss": loss})


def _loss_and_gradient(
    rows: Rows, points: Tensor, fixed: Tensor, temperature: float, balance: float
) -> tuple[float, Tensor]:
    """Mean loss over the pool and its gradient by the moving points, ``(n, D)`` float64."""
    n = points.shape[0]
    every = torch.cat([points, fixed])
    among = torch.softmax(points @ every.T / temperature, dim=1)
    # log of lambda * sum_j exp(c_j . c_k / tau), for each point k
    crowd = torch.logsumexp(every @ every.T / temperature, dim=1)
    crowd += math.log(balance) if balance > 0 else -math.inf
    pull = torch.zeros_like(every)
    push = torch.zeros(every.shape[0], dtype=torch.float64, device=every.device)
    loss = torch.zeros((), dtype=torch.float64, device=every.device)
    for low, high in row_blocks(rows.n, 2 * max(every.shape), rows.device):
        z = rows.unit(rows.mine[low:high], torch.float64)[0]
        best, which = (z @ every.T).max(1)
        gap = crowd[which] - best / temperature
        loss += torch.nn.functional.softplus(gap).sum()
        weight = torch.sigmoid(gap)  # share of the crowd in the denominator
        pull.index_add_(0, which, weight[:, None] * z)
        push.index_add_(0, which, weight)
    towards = push[:n, None] * (among @ every)
    return float(loss) / rows.n, (towards - pull[:n]) / (temperature * rows.n)


def _nearest_in_turn(rows: Rows, points: Tensor) -> tuple[Tensor, Tensor]:
    """Give each point, in order, the sample with the largest cosine that is left; equal ones by row."""
    taken = torch.zeros(rows.n, dtype=torch.bool, device=rows.device)
    index = torch.empty(points.shape[0], dtype=torch.int64, device=rows.device)
    score = torch.empty(points.shape[0], dtype=torch.float64, device=rows.device)
    step = max(1, (1 << 24) // rows.n)
    for first in range(0, points.shape[0], step):
        part = points[first : first + step]
        cosine = torch.empty(part.shape[0], rows.n, dtype=torch.float64, device=rows.device)
        for low, high in row_blocks(rows.n, 2 * max(part.shape), rows.device):
            cosine[:, low:high] = part @ rows.unit(rows.mine[low:high], torch.float64)[0].T
        for place in range(part.shape[0]):
            here = cosine[place].masked_fill(taken, -torch.inf)
            row = int((here >= float(here.max()) - TIE).nonzero()[0])
            index[first + place], score[first + place] = row, cosine[place, row]
            taken[row] = True
    return index, score
