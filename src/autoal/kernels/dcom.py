"""DCoM: coverage while the classifier knows little, uncertainty when it knows much."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_logits, check_matrix, check_shape
from autoal.kernels.precision import full_precision
from autoal.kernels.probcover import Balls, covered_by, probcover
from autoal.kernels.rows import Rows, distance_blocks
from autoal.kernels.ties import largest
from autoal.kernels.types import Picks

_STRICT = 1 - 1e-12


@full_precision()
def dcom(
    features: Tensor,
    logits: Tensor,
    n: int,
    labelled: Tensor | None,
    targets: Tensor | None,
    radius: float = 0.75,
    switch: float = 0.9,
    steepness: float = 30.0,
    largest_radius: float = 1.1,
    resolution: float = 0.05,
    progress: Progress | None = None,
) -> Picks:
    r"""Weigh uncertainty against density by how much of the pool the labelled samples' own balls cover.

    Mishal, Weinshall, *DCoM: Active Learning for All Learners*, 2024. Each labelled sample gets the radius, found
    by bisection, up to which a share of at least :math:`0.2\,\mathrm{cov} + 0.4` of the samples around it is
    predicted as its class. With the competence :math:`s = (1 + e^{-k (1 - a)}) / (1 + e^{-k (\mathrm{cov} - a)})`
    the picks maximise :math:`s\,u + (1 - s)\,g`: u is one minus the margin, between 0 and 1 over the pool, g the
    number of uncovered samples within the mean radius over the largest such number at the start. Each pick covers
    its ball.

    All labelled samples get a radius anew in each round, from the classifier of the round. Both terms are scaled
    once, so a sample does not gain when others are picked.

    Args:
        features: ``(N, D)`` pool, any floating type; rows are divided by their lengths.
        logits: ``(N, C)`` of the same samples.
        n: Number of picks, 1 to N.
        labelled: ``(L, D)`` labelled samples. With None or L = 0 the batch is :func:`probcover`'s.
        targets: ``(L,)`` int64 their classes.
        radius: The radius at which coverage is measured before there are others, and that of a cold start.
        switch: a, the coverage at which uncertainty takes over.
        steepness: k, how suddenly.
        largest_radius: Upper end of the bisection.
        resolution: Where the bisection stops.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the maximised sum. Logs ``competence``, ``coverage`` and ``mean_radius``.

    Raises:
        AutoALError: If shapes, values, n or an option are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [0.99, 0.1], [0.0, 1.0], [0.1, 0.99], [0.2, 0.97]])
        >>> labelled, targets = x[:1], torch.tensor([0])
        >>> logits = torch.tensor([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [0.0, 5.0], [0.0, 5.0]])
        >>> int(dcom(x, logits, 1, labelled, targets).index) in (2, 3, 4)  # the group that has no label
        True
    """
    check_matrix("features", features)
    check_logits("logits", logits, features.shape[0])
    check_count(n, features.shape[0])
    if not (radius > 0 and 0 < resolution < largest_radius):
        raise AutoALError(
            f"dcom: radius={radius:g} must be above 0 and resolution={resolution:g} between 0 and "
            f"largest_radius={largest_radius:g}."
        )
    if labelled is None or labelled.shape[0] == 0 or targets is None:
        picks = probcover(features, n, radius, progress=progress)
        return picks._replace(log={"competence": 0.0, "mean_radius": radius, "coverage": picks.log["coverage"]})
    check_matrix("labelled", labelled, columns=features.shape[1])
    check_shape("targets", targets, labelled.shape[0])
    rows = Rows(features, features.shape[0], World(), normalise=True)
    labelled, targets = labelled.to(features.device), targets.to(features.device)
    before = float(covered_by(rows, labelled, radius).double().mean())
    radii = _pure_radii(rows, logits.argmax(1), labelled, targets, 0.2 * before + 0.4, largest_radius, resolution)
    coverage = float(covered_by(rows, labelled, float(radii.max().clamp(min=resolution))).double().mean())
    competence = round(
        (1 + math.exp(-steepness * (1 - switch))) / (1 + math.exp(-steepness * (coverage - switch))), 3
    )
    mean = max(resolution, float(radii.mean()))
    balls = Balls(rows, mean, covered_by(rows, labelled, radii))
    index, score = _choose(balls, _uncertainty(logits), competence, n, progress)
    return Picks(index, score, {"competence": competence, "coverage": coverage, "mean_radius": mean})


def _uncertainty(logits: Tensor) -> Tensor:
    """One minus the margin, stretched to [0, 1] over the pool, ``(N,)`` float64; 0 where all are equal."""
    p = torch.softmax(logits.double(), dim=1)
    top = p.topk(min(2, p.shape[1]), dim=1).values
    u = 1 - (top[:, 0] - top[:, -1]) if p.shape[1] > 1 else torch.zeros_like(top[:, 0])
    low, high = u.min(), u.max()
    return (u - low) / (high - low) if float(high - low) > 1e-12 else torch.zeros_like(u)


def _pure_radii(
    rows: Rows, predicted: Tensor, centres: Tensor, targets: Tensor, purity: float, upper: float, resolution: float
) -> Tensor:
    """Bisect, for every labelled sample at once, the radius up to which its ball is pure enough, ``(L,)``."""
    low = torch.zeros(centres.shape[0], dtype=torch.float64, device=rows.device)
    high = torch.full_like(low, upper)
    while float((high - low).max()) > resolution:
        middle = (low + high) / 2
        counts = torch.zeros(2, centres.shape[0], dtype=torch.float64, device=rows.device)
        for first in range(0, centres.shape[0], 1024):
            part = slice(first, first + 1024)
            limit = middle[part].square() * _STRICT
            for start, end, squared in distance_blocks(rows, centres[part]):
                inside = squared < limit
                same = inside & (predicted[start:end, None] == targets[part])
                counts[:, part] += torch.stack([same.sum(0), inside.sum(0)])
        pure = counts[0] >= purity * counts[1]  # an empty ball is pure
        low, high = torch.where(pure, middle, low), torch.where(pure, high, middle)
    return (low * 100).round() / 100


def _choose(
    balls: Balls, uncertainty: Tensor, competence: float, n: int, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    """Take the best sum of both terms n times, covering a ball each time."""
    most = max(1, int(balls.degree.max()))
    free = torch.ones(uncertainty.numel(), dtype=torch.bool, device=uncertainty.device)
    index = torch.empty(n, dtype=torch.int64, device=uncertainty.device)
    score = torch.empty(n, dtype=torch.float64, device=uncertainty.device)
    for place in range(n):
        value = competence * uncertainty + (1 - competence) * (balls.degree.double() / most)
        row = largest(value.masked_fill_(~free, -torch.inf))
        index[place], score[place] = row, value[row]
        free[row] = False
        balls.take(row)
        if progress is not None:
            progress(place + 1, n)
    return index, score
