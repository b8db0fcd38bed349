"""The final choice: from nominations and weights on the pool to n samples."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.kernels import kmeans, margin
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
