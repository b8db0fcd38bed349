"""What is visible of a state: its stage, its calibration, and what the labelled samples were worth."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from autoal.kernels import margin
from experiments.autoal_study.offline.simulate import State

CUES = ("unsure", "typical", "far", "leverage")


class Views(NamedTuple):
    """Quantities of a state that features, batches and tilts share.

    Attributes:
        unsure: Calibrated uncertainty of the free rows ``(N,)``.
        unit: Rows of unit length: free ``(N, D)`` and labelled ``(L, D)``.
        density: Mean cosine to the 20 nearest pool rows ``(N,)``.
        nearest: Distance to the nearest labelled row ``(N,)``.
        leverage: Uncertainty-weighted ridge leverage ``(N,)``.
        predicted: Predicted classes ``(N,)``.
    """

    unsure: Tensor
    free: Tensor
    labelled: Tensor
    density: Tensor
    nearest: Tensor
    leverage: Tensor
    predicted: Tensor


def views(state: State, temperature: float) -> Views:
    """Compute the views of a state."""
    world, rows = state.world, state.free
    with torch.no_grad():
        logits = state.net.head(world.x[rows]).double() / temperature
    unsure = margin(logits)
    unit = torch.nn.functional.normalize(world.x, dim=1)
    free, known = unit[rows], unit[state.labelled]
    reference = unit[:: max(1, len(unit) // 800)]
    density = (free @ reference.T).topk(min(20, len(reference) - 1), 1).values.mean(1)
    nearest = (2 - 2 * (free @ known.T).max(1).values).clamp(min=0).sqrt()
    gram = known.double() @ known.double().T + 0.1 * torch.eye(len(known)).double()
    cross = free.double() @ known.double().T
    leverage = unsure * (1 - (cross @ torch.linalg.inv(gram) * cross).sum(1)).clamp(min=0)
    return Views(unsure, free, known, density, nearest, leverage, logits.argmax(1))


def rank(values: Tensor) -> Tensor:
    """Ranks in [-1, 1], equal values sharing theirs."""
    _, group, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    place = (last - counts).double() + (counts.double() - 1) / 2
    ranks: Tensor = 2 * place[group] / max(len(values) - 1, 1) - 1
    return ranks


def worth(state: State, penalty: float = 0.1) -> tuple[Tensor, Tensor, float]:
    """Marginal worth of each labelled sample to a ridge classifier, in closed form and cross-fitted.

    With G the inverse of K + penalty I, the residuals of the samples S when all of S are left out are
    ``inv(G_SS) (G y)_S``. A sample's worth is the mean growth of the others' squared left-out residuals if it is
    left out too.

    Returns:
        Worth ``(L,)``, left-out margins' uncertainty ``(L,)``, and left-out accuracy.
    """
    x = torch.nn.functional.normalize(state.world.x[state.labelled], dim=1).double()
    labels = state.world.y[state.labelled]
    y = torch.nn.functional.one_hot(labels, state.world.classes).double()
    y = y - y.mean(0)
    g = torch.linalg.inv(x @ x.T + penalty * torch.eye(len(x)).double() + 1.0 / len(x))
    a, d = g @ y, g.diagonal()
    alone = a / d[:, None]
    # Residual of j when i and j are left out: (g_ii a_j - g_ij a_i) / (g_ii g_jj - g_ij^2).
    det = (d[:, None] * d[None, :] - g.square()).clamp(min=1e-12)
    both = (d[:, None, None] * a[None] - g[:, :, None] * a[:, None]) / det[:, :, None]
    growth = both.square().sum(2) - alone.square().sum(1)[None]
    growth.fill_diagonal_(0)
    out = y - alone
    top = out.topk(2, dim=1).values
    hit = (out.argmax(1) == labels).double()
    return growth.sum(1) / max(len(x) - 1, 1), -(top[:, 0] - top[:, 1]), float(hit.mean())


def correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's; 0 where one is constant."""
    p, q = rank(a), rank(b)
    p, q = p - p.mean(), q - q.mean()
    scale = float(p.norm() * q.norm())
    return float(p @ q) / scale if scale > 1e-9 else 0.0


def features(state: State, v: Views, temperature: float, n: int) -> dict[str, float]:
    """What a rule may know of a state, and the evidence of the labels' worth per cue."""
    world, size = state.world, len(state.labelled)
    value, unsure, accuracy = worth(state)
    gram = v.labelled @ v.labelled.T
    gram.fill_diagonal_(-2)
    near = (2 - 2 * gram.max(1).values.clamp(-1, 1)).clamp(min=0).sqrt()
    agree = (world.y[state.labelled][gram.argmax(1)] == world.y[state.labelled]).double().mean()
    share = torch.bincount(v.predicted, minlength=world.classes).double() / len(v.predicted)
    known = torch.bincount(world.y[state.labelled], minlength=world.classes).double() / size
    spread = torch.linalg.svdvals((v.free[:500] - v.free[:500].mean(0)).double()).square()
    reference = v.free[:: max(1, len(v.free) // 800)]
    typical = (v.labelled @ reference.T).topk(min(20, len(reference)), 1).values.mean(1)
    leverage = unsure.exp() * near
    cues = dict(zip(CUES, (unsure, typical, near.double(), leverage), strict=True))
    return {
        "labels_per_class": math.log(size / world.classes),
        "batch_per_class": math.log(n / world.classes),
        "round_share": math.log(n / size),
        "classes": math.log(world.classes),
        "temperature": math.log(temperature),
        "left_out_accuracy": accuracy,
        "left_out_lift": accuracy - float(known.max()),
        "agreement": float(agree),
        "unsure_mean": float(v.unsure.mean()),
        "unsure_sd": float(v.unsure.std()),
        "nearest_mean": float(v.nearest.mean()),
        "least": float(near.min()),
        "near_mean": float(near.mean()),
        "dimension": math.log(float(spread.sum() ** 2 / spread.square().sum())),
        "density": float(v.density.mean()),
        "predicted_entropy": float(torch.special.entr(share).sum()) / math.log(world.classes),
        "known_entropy": float(torch.special.entr(known).sum()) / math.log(world.classes),
        "missing": float((known == 0).double().mean()),
        **{f"worth_{name}": correlation(value, cue) for name, cue in cues.items()},
    }


def describe(state: State, v: Views, rows: Tensor, coverage: float, unsure_coverage: float) -> dict[str, float]:
    """Scale-free features of a batch (positions among the free rows)."""
    world, n = state.world, len(rows)
    z = v.free[rows]
    gram = z @ z.T
    apart = (2 - 2 * gram).clamp(min=0).sqrt().sum() / max(n * (n - 1), 1)
    known = torch.bincount(world.y[state.labelled], minlength=world.classes).double()
    rare = 1 / known[v.predicted[rows]].clamp(min=0.5)
    ranks = {
        "unsure": rank(v.unsure)[rows],
        "density": rank(v.density)[rows],
        "nearest": rank(v.nearest)[rows],
        "leverage": rank(v.leverage)[rows],
    }
    return {
        **{f"{name}_mean": float(r.mean()) for name, r in ranks.items()},
        **{f"{name}_sd": float(r.std(unbiased=False)) for name, r in ranks.items()},
        "apart": float(apart),
        "hit": len(v.predicted[rows].unique()) / min(n, world.classes),
        "rare": float((rare.mean() / (1 / known.clamp(min=0.5)).mean()).log()),
        "coverage": coverage,
        "unsure_coverage": unsure_coverage,
    }
