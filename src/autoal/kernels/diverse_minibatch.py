"""Diverse mini-batch active learning: informative first, diverse among those."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_logits, check_matrix
from autoal.kernels.kmeans import kmeans
from autoal.kernels.precision import full_precision
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.kernels.uncertainty import margin


@full_precision()
def diverse_minibatch(
    logits: Tensor,
    embeddings: Tensor,
    n: int,
    generator: torch.Generator,
    beta: float = 10,
    max_iter: int = 100,
    progress: Progress | None = None,
) -> Picks:
    r"""Cluster the :math:`\beta n` most uncertain samples, weighted by uncertainty; take one per cluster.

    Zhdanov, *Diverse mini-batch Active Learning*, 2019, algorithm 3: informativeness is
    :math:`1 - (p_{(1)} - p_{(2)})`, the clustering minimises :math:`\sum_i s_i \min_j \|x_i - c_j\|^2` over the
    samples that were kept, and the batch holds the nearest distinct sample of each centre.

    Args:
        logits: ``(N, C)`` logits of the pool.
        embeddings: ``(N, D)`` embeddings of the pool.
        n: Number of picks, 1 to N.
        generator: The source of randomness.
        beta: Samples that are kept per pick, at least 1; the paper uses 10 and 50.
        max_iter: Largest number of k-means iterations.
        progress: Called with (iterations done, ``max_iter``).

    Returns:
        The picks with their informativeness as score. Logs ``candidates`` (samples that were kept),
        ``candidate_margin_score`` (their mean informativeness) and what k-means logs.

    Raises:
        AutoALError: If shapes, values, n or beta are not usable.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, 0.0], [0.0, 0.1], [0.0, 0.0], [0.1, 0.0], [9.0, 0.0]])
        >>> x = torch.tensor([[0.0], [0.1], [9.0], [9.1], [50.0]])
        >>> picks = diverse_minibatch(logits, x, 2, torch.Generator().manual_seed(0), beta=2)
        >>> sorted((picks.index // 2).tolist())  # one of each uncertain group, not the sure row 4
        [0, 1]
    """
    check_logits("logits", logits)
    check_matrix("embeddings", embeddings, rows=logits.shape[0])
    check_count(n, logits.shape[0])
    if not beta >= 1:
        raise AutoALError(f"beta={beta}: at least one candidate per pick is needed, so beta must be >= 1.")
    score = margin(logits)
    # In order of rows, so that equally near samples are decided by row and not by score.
    kept = torch.sort(top_n(score, min(logits.shape[0], max(n, int(beta * n))))).values
    picks = kmeans(embeddings[kept], n, generator, weights=score[kept], max_iter=max_iter, progress=progress)
    index = kept[picks.index]
    log = {"candidates": float(kept.numel()), "candidate_margin_score": float(score[kept].mean()), **picks.log}
    return Picks(index, score[index], log)
