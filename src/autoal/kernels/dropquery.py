"""DropQuery: samples whose prediction a few dropped features change, one per cluster."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import (
    Progress,
    check_count,
    check_logits,
    check_matrix,
    check_shape,
    choose_rest,
    row_blocks,
)
from autoal.kernels.kmeans import kmeans
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks
from autoal.kernels.unit import unit_rows
from autoal.rng import sample_uniform, stream_seed


@full_precision()
def flips(
    embeddings: Tensor,
    logits: Tensor,
    weight: Tensor,
    bias: Tensor,
    key: int,
    ids: Tensor | None = None,
    repetitions: int = 3,
    dropout: float = 0.75,
) -> Tensor:
    """Count how often dropout on a sample's features changes its predicted class.

    Args:
        embeddings: ``(N, D)`` inputs of the last layer.
        logits: ``(N, C)`` logits without dropout.
        weight: ``(C, D)`` of the last layer.
        bias: ``(C,)`` of the last layer.
        key: A stream's seed. Masks depend only on it, the repetition and the sample's id.
        ids: ``(N,)`` int64 sample ids, or ``None`` for the rows.
        repetitions: Masks per sample.
        dropout: Probability that a feature is dropped; the others are scaled by 1 / (1 - p).

    Returns:
        ``(N,)`` int64 between 0 and ``repetitions``.

    Raises:
        AutoALError: If shapes, values, ``repetitions`` or ``dropout`` are not usable.

    Example:
        >>> import torch
        >>> z, head = torch.tensor([[1.0, 0.9], [5.0, 0.0]]), torch.eye(2)
        >>> count = flips(z, z @ head.T, head, torch.zeros(2), key=0, repetitions=100)
        >>> bool(count[0] > 5), int(count[1])
        (True, 0)
    """
    check_logits("logits", logits)
    check_matrix("embeddings", embeddings, rows=logits.shape[0])
    check_matrix("weight", weight, logits.shape[1], embeddings.shape[1])
    check_shape("bias", bias, logits.shape[1])
    if repetitions < 1:
        raise AutoALError(f"repetitions={repetitions}: at least 1 mask per sample is needed.")
    if not 0 < dropout < 1:
        raise AutoALError(f"dropout={dropout}: the probability must lie between 0 and 1, both excluded.")
    if ids is None:
        ids = torch.arange(len(logits))
    check_shape("ids", ids, len(logits))
    ids, wide, offset = ids.to(logits.device), weight.double().T.contiguous(), bias.double()
    predicted = logits.argmax(1)
    out = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    for repetition in range(repetitions):
        own = stream_seed(key, "dropout", repetition)
        for low, high in row_blocks(len(logits), 6 * embeddings.shape[1] + logits.shape[1], logits.device):
            kept = sample_uniform(own, ids[low:high], embeddings.shape[1], torch.float64) >= dropout
            dropped = embeddings[low:high].double() * kept / (1 - dropout)
            out[low:high] += (dropped @ wide + offset).argmax(1) != predicted[low:high]
    return out


@full_precision()
def dropquery(
    embeddings: Tensor,
    logits: Tensor,
    weight: Tensor,
    bias: Tensor,
    n: int,
    key: int,
    generator: torch.Generator,
    ids: Tensor | None = None,
    repetitions: int = 3,
    dropout: float = 0.75,
    enough: float = 25.0,
    max_iter: int = 100,
    progress: Progress | None = None,
) -> Picks:
    r"""Keep the samples that dropout makes change their mind, cluster them, take the nearest of each centre.

    Gupte, Aklilu, Nirschl, Yeung-Levy, *Revisiting Active Learning in the Era of Vision Foundation Models*, TMLR
    2024: a sample is a candidate when more than one of three dropout masks changes its predicted class (more than
    a third of the repetitions, in general), or, should that leave fewer than 25 n candidates, when any does. The
    candidates' features, divided by their length, are clustered into n groups. Fewer than n candidates are all
    taken and filled up at random.

    The masks depend on the key, the repetition and the sample's id, so neither the order of the pool nor the
    number of processes changes who is a candidate. What a flip means depends on whether the head was trained with
    dropout on these features, as in the paper.

    Args:
        embeddings: ``(N, D)`` inputs of the last layer.
        logits: ``(N, C)`` logits without dropout.
        weight: ``(C, D)`` of the last layer.
        bias: ``(C,)`` of the last layer.
        n: Number of picks, 1 to N.
        key: A stream's seed, for the masks.
        generator: The source of randomness of the clustering and the filling.
        ids: ``(N,)`` int64 sample ids, or ``None`` for the rows.
        repetitions: Masks per sample.
        dropout: Probability that a feature is dropped.
        enough: Candidates per pick below which one flip is enough.
        max_iter: Largest number of k-means iterations.
        progress: Called with (iterations done, ``max_iter``).

    Returns:
        The picks; the score is the number of flips. Logs ``candidates``, ``threshold`` (a candidate has more
        flips than that) and ``filled``, how many were drawn at random.

    Raises:
        AutoALError: If shapes, values, n or an option are not usable.

    Example:
        >>> import torch
        >>> z, head = torch.tensor([[1.0, 0.9], [5.0, 0.0], [6.0, 0.0]]), torch.eye(2)
        >>> generator = torch.Generator().manual_seed(0)
        >>> dropquery(z, z @ head.T, head, torch.zeros(2), 1, 0, generator, repetitions=9).index
        tensor([0])
    """
    check_logits("logits", logits)
    check_count(n, len(logits))
    if not enough >= 1:
        raise AutoALError(f"enough={enough}: at least 1 candidate per pick is needed.")
    count = flips(embeddings, logits, weight, bias, key, ids, repetitions, dropout)
    threshold = repetitions // 3
    rows = (count > threshold).nonzero().squeeze(1)
    if len(rows) < enough * n:
        threshold, rows = 0, (count > 0).nonzero().squeeze(1)
    log = {"candidates": float(len(rows)), "threshold": float(threshold), "filled": float(max(0, n - len(rows)))}
    if len(rows) > n:
        picks = kmeans(unit_rows(embeddings[rows]), n, generator, max_iter=max_iter, progress=progress)
        index = rows[picks.index]
    else:
        taken = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        taken[rows] = True
        index = torch.cat([rows, choose_rest(taken, n - len(rows), generator).to(rows.device)])
    return Picks(index, count[index].double(), log)
