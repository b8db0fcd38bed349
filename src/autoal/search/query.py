"""The final choice: from nominations and weights on the pool to n samples."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.kernels import kmeans, margin
from autoal.kernels.checks import Progress
from autoal.kernels.herding import sharded_herding
from autoal.kernels.rows import Kept
from autoal.kernels.types import Picks


def ranked(score: Tensor, tie_break: Tensor) -> Tensor:
    """Return all rows by descending score, then descending tie-break, then row (ascending id).

    Args:
        score: ``(N,)``.
        tie_break: ``(N,)``.
    """
    by_tie = torch.sort(tie_break, descending=True, stable=True).indices
    return by_tie[torch.sort(score[by_tie], descending=True, stable=True).indices]


def top_b(score: Tensor, nominated: Tensor, tie_break: Tensor, n: int) -> Tensor:
    """Take the nominated samples of highest score; where they run out, the next-ranked others follow.

    Args:
        score: ``(N,)``.
        nominated: Mask ``(N,)``; all True ranks the whole pool by score.
        tie_break: ``(N,)``: predicted loss.
        n: How many.

    Returns:
        ``(n,)`` unique rows.
    """
    order = ranked(score, tie_break)
    return torch.cat([order[nominated[order]], order[~nominated[order]]])[:n]


def clustered(
    embeddings: Tensor,
    weight: Tensor,
    nominated: Tensor,
    fallback: Tensor,
    n: int,
    generator: torch.Generator,
    iterations: int,
) -> Tensor:
    """Take the nominated samples nearest to n weighted k-means centroids.

    Args:
        embeddings: ``(N, D)``.
        weight: ``(N,)`` non-negative, how much a sample pulls a centroid.
        nominated: Mask ``(N,)``.
        fallback: ``(N,)`` rows in the order in which others follow if fewer than n are nominated.
        n: How many.
        generator: Seeds the centroids.
        iterations: Lloyd iterations.

    Returns:
        ``(n,)`` unique rows.
    """
    rows = nominated.nonzero().squeeze(1)
    if len(rows) <= n:
        order = fallback.to(rows.device)
        return torch.cat([order[nominated[order]], order[~nominated[order]]])[:n]
    picked = kmeans(embeddings[rows], n, generator, weights=weight[rows], max_iter=iterations).index
    return rows[picked.to(rows.device)]


def herded(
    embeddings: Tensor,
    known: Tensor,
    unsure: Tensor,
    share: Tensor,
    n: int,
    world: World,
    bandwidth: float,
    exponent: float = 1.0,
    tilt: float = 0.5,
    targets: int | None = None,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Picks:
    r"""Take the batch that covers the pool best, by weights :math:`u_j^\alpha (1 + \rho (2 s_j - 1))`.

    Unlike the other rules it nominates nobody: every sample counts as a target and may be chosen, and votes change
    what a sample counts by half at most, so that a wrong weighting of the candidates does bounded harm.

    Args:
        embeddings: This rank's rows of the pool ``(N_rank, D)``.
        known: Features of the labelled samples ``(L, D)``.
        unsure: Calibrated uncertainty u ``(N,)`` in [0, 1].
        share: Weighted votes s ``(N,)`` in [0, 1], graded over the whole pool.
        n: How many.
        world: Over whom the rows are spread.
        bandwidth: Unit of distance of the kernel.
        exponent: :math:`\alpha`; 0 covers the pool without regard to uncertainty.
        tilt: :math:`\rho` in [-0.5, 0.5]; 0 leaves uncertainty herding, which knows no votes.
        targets: Count so many samples drawn at random instead of all.
        generator: Draws them, in the same state on every rank.
        progress: Called with (picks made, n).
        kept: Inner products of the pool, which change no pick.

    Returns:
        The picks; the score is the gain of coverage.
    """
    weights = unsure.double() ** exponent * (1 + tilt * (2 * share.double() - 1))
    return sharded_herding(
        embeddings, len(unsure), n, world, known, weights, bandwidth, "rbf", targets, generator,
        progress=progress, kept=kept,
    )  # fmt: skip


def choose(
    rule: str,
    score: Tensor,
    votes: Tensor,
    logits: Tensor,
    embeddings: Tensor | None,
    predicted: Tensor | None,
    n: int,
    generator: torch.Generator,
    query_weight: str = "margin",
    iterations: int = 10,
) -> Picks:
    """Choose n samples of the pool by a named rule.

    Args:
        rule: ``"topb"``, ``"kmeans"`` or ``"released"``.
        score: ``(N,)``.
        votes: ``(N, K)``.
        logits: The task model's ``(N, C)``.
        embeddings: The task model's ``(N, D)``; needed by ``"kmeans"``.
        predicted: Predicted losses ``(N,)`` that break ties, or None: the margin uncertainty does.
        n: How many.
        generator: Seeds k-means.
        query_weight: ``"margin"`` multiplies k-means weights by 1 - (p1 - p2).
        iterations: Lloyd iterations.
    """
    unsure = margin(logits).to(score)
    tie_break = unsure if predicted is None else predicted.to(score)
    nominated = votes.any(1)
    if rule == "released":
        rows = top_b(score, torch.ones_like(nominated), tie_break, n)
    elif rule == "topb":
        rows = top_b(score, nominated, tie_break, n)
    else:
        assert embeddings is not None
        weight = score * unsure if query_weight == "margin" else score
        fallback = ranked(score, tie_break)
        rows = clustered(embeddings, weight.clamp(min=0), nominated, fallback, n, generator, iterations)
    return Picks(rows, score[rows], {})
