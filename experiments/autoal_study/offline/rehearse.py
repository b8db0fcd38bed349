"""Rehearsal on proxy worlds: the real pool and the real labelled rows under labels that are made up.

A proxy world gives every row of a pool a class, by one of :data:`KINDS`. In it everything is known, so that each
rule's batch can be bought on paper and its worth be measured on a thousand samples instead of on a few held-out
labels. Worlds that look to the labelled rows as the real one does count more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from autoal.kernels import labelled_bandwidth, margin, weighted_kmeans
from experiments.autoal_study.offline.evidence import Views, rank
from experiments.autoal_study.offline.fast import Herder
from experiments.autoal_study.offline.simulate import State

KINDS = ("clusters", "prototypes", "classifier")
"""K-means in a random whitened projection; nearest of random rows in a random metric; what the classifier says."""
NOISE = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Temperatures of the labels, in units of the spread of a world's scores; the one that fits is taken."""
RIDGE = 0.1
WIDTH = 0.1
"""Worlds whose accuracy, agreement or margin differs by this much from the real one count e^-1/2 as much."""


class Rehearsal(NamedTuple):
    """What rules were worth in worlds.

    Attributes:
        gain: ``(J, A)`` points of accuracy that each rule's batch adds.
        alike: ``(J,)`` weights of the worlds.
    """

    gain: np.ndarray
    alike: np.ndarray


def scores(kind: str, state: State, v: Views, temperature: float, draw: torch.Generator) -> Tensor:
    """Return a world's scores of the classes for every row of the pool ``(N, C)``; labels follow the largest."""
    x, classes = state.world.x.double(), state.world.classes
    if kind == "classifier":
        with torch.no_grad():
            said: Tensor = state.net.head(state.world.x).double() / temperature
        return said
    if kind == "clusters":
        share = (0.5, 1.0, 2.0)[int(torch.randint(3, (1,), generator=draw))]
        count = max(2, round(share * classes))
        width = int(torch.randint(2, min(16, x.shape[1]) + 1, (1,), generator=draw))
        z = x @ torch.randn(x.shape[1], width, generator=draw).double()
        z = (z - z.mean(0)) / z.std(0).clamp(min=1e-6)
        centres = weighted_kmeans(z.float(), count, draw, max_iter=20)[0].double()
    else:
        count = 2 * classes
        z = x * torch.exp(torch.randn(x.shape[1], generator=draw).double())
        centres = z[torch.randperm(len(z), generator=draw)[:count]]
    near = -torch.cdist(z, centres)
    # Several clumps may share a class; a world with fewer clumps than classes lacks some, as small pools do.
    owner = torch.randperm(count, generator=draw) % classes
    out = torch.full((len(z), classes), -math.inf, dtype=torch.float64)
    for clump in range(len(centres)):
        out[:, owner[clump]] = torch.maximum(out[:, owner[clump]], near[:, clump])
    return out


def labels(score: Tensor, noise: float, draw: torch.Generator) -> Tensor:
    """Draw a class for each row from the softmax of its scores over ``noise`` times their spread."""
    if noise == 0:
        return score.argmax(1)
    there = score[torch.isfinite(score)]
    uniform = torch.rand(score.shape, generator=draw, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    return (score / (noise * there.std().clamp(min=1e-9)) - (-uniform.log()).log()).argmax(1)


class Known:
    """What the labelled rows show of a world with these rows: ridge heads and how well they do when left out."""

    def __init__(self, rows: Tensor) -> None:
        z = torch.nn.functional.normalize(rows, dim=1).double()
        self.z = z
        self.inverse = torch.linalg.inv(z @ z.T + 1 / len(z) + RIDGE * torch.eye(len(z)).double())
        gram = z @ z.T
        gram.fill_diagonal_(-2)
        self.nearest = gram.argmax(1)

    def looks(self, y: Tensor, classes: int) -> Tensor:
        """Left-out accuracy, agreement of nearest neighbours and left-out margin ``(3,)``."""
        onehot = torch.nn.functional.one_hot(y, classes).double()
        centred = onehot - onehot.mean(0)
        out = centred - (self.inverse @ centred) / self.inverse.diagonal()[:, None]
        top = out.topk(2, dim=1).values
        accuracy = (out.argmax(1) == y).double().mean()
        return torch.stack([accuracy, (y[self.nearest] == y).double().mean(), (top[:, 0] - top[:, 1]).mean()])


def ridge_logits(unit: Tensor, y: Tensor, sets: Tensor, classes: int, at: Tensor) -> Tensor:
    """Fit ridge heads to sets of rows ``(S, m)`` and return their outputs for rows ``at``, ``(S, len(at), C)``."""
    z, target = unit[sets], torch.nn.functional.one_hot(y[sets], classes).to(unit)
    mean = target.mean(1, keepdim=True)
    m = sets.shape[1]
    k = z @ z.transpose(1, 2) + 1 / m + RIDGE * torch.eye(m).to(unit)
    a = torch.linalg.solve(k, target - mean)
    out: Tensor = unit[at] @ (z.transpose(1, 2) @ a) + a.sum(1, keepdim=True) / m + mean
    return out


def rehearse(
    state: State,
    v: Views,
    n: int,
    rules: Sequence[tuple[float, float, str | None]],
    temperature: float,
    count: int,
    draw: torch.Generator,
) -> Rehearsal:
    """Buy every rule's batch in ``count`` worlds.

    Args:
        state: The real state; its labels are read for how it looks only.
        v: Its views.
        n: Size of a batch.
        rules: Exponent, scale (or minus a bandwidth) and tilt of each.
        temperature: Of the real classifier.
        count: Number J of worlds, the kinds in turn.
        draw: Draws the worlds.
    """
    world, known, free = state.world, state.labelled, state.free
    unit = torch.nn.functional.normalize(world.x, dim=1)
    herder = Herder(unit, known, free)
    eyes = Known(world.x[known])
    real = eyes.looks(world.y[known], world.classes)
    least = labelled_bandwidth(v.labelled)
    width = [max(c * least, 0.2) if c > 0 else -c for _, c, _ in rules]
    apart = v.leverage / v.unsure.clamp(min=1e-12)
    gains, alike = [], []
    for number in range(count):
        score = scores(KINDS[number % len(KINDS)], state, v, temperature, draw)
        drawn = [labels(score, noise, draw) for noise in NOISE]
        looks = [eyes.looks(y[known], world.classes) for y in drawn]
        best = min(range(len(NOISE)), key=lambda k: float((looks[k][0] - real[0]).abs()))
        y = drawn[best]
        before = ridge_logits(unit, y, known[None], world.classes, free)[0]
        # Ridge outputs are no logits: their margins, by rank, take the place of the uncertainty.
        unsure = margin(before.double() * 8)
        cues = {"unsure": unsure, "density": v.density, "leverage": apart * unsure}
        sets = []
        for (exponent, _, tilt), h in zip(rules, width, strict=True):
            weights = unsure**exponent * (1 if tilt is None else 1 + 0.5 * rank(cues[tilt]))
            sets.append(torch.cat([known, free[herder.pick(weights, n, h)]]))
        after = ridge_logits(unit, y, torch.stack(sets), world.classes, free)
        hit = (torch.cat([before[None], after]).argmax(2) == y[free]).double().mean(1)
        gains.append((100 * (hit[1:] - hit[0])).numpy())
        alike.append(math.exp(-float((looks[best] - real).square().sum()) / (2 * WIDTH**2)))
    return Rehearsal(np.array(gains).reshape(count, len(rules)), np.array(alike))
