"""Core-set selection: greedy k-center over embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_matrix, compute_dtype, row_blocks
from autoal.kernels.geometry import Points, column_mean, distances_from, nearest_to_mean
from autoal.kernels.greedy import farthest_first
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks


@full_precision()
def kcenter(
    embeddings: Tensor,
    n: int,
    labelled: Tensor | None = None,
    cache_size: int = 512,
    progress: Progress | None = None,
) -> Picks:
    r"""Pick, one after the other, the sample farthest from every labelled and every picked sample.

    Sener, Savarese, *Active Learning for Convolutional Neural Networks: A Core-Set Approach*, ICLR 2018,
    algorithm 1: :math:`u = \arg\max_{i} \min_{j \in s} \|x_i - x_j\|`. The result is that of the plain greedy
    algorithm in float64, of equally far samples the lowest row, in a few passes over those features that may still
    be the farthest, and without an N x N matrix.

    Args:
        embeddings: ``(N, D)`` pool, any floating type; float16 and bfloat16 are computed in float32.
        n: Number of picks, 1 to N.
        labelled: ``(L, D)`` labelled samples, the centres to start from. With ``None`` or L = 0 the first pick is
            the sample nearest to the mean of the pool.
        cache_size: Samples whose distances are kept exact between passes; changes speed and memory, not the picks.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the Euclidean distance to the nearest centre when the sample was chosen (for a
        first pick without labelled samples, the largest distance of any sample from it). Logs ``passes`` over what
        may still be the farthest, and ``radius``, the distance of the last pick.

    Raises:
        AutoALError: If shapes, values, n or the cache's size are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0], [5.0], [9.0]])
        >>> kcenter(x, 2, labelled=torch.tensor([[0.0]])).index
        tensor([3, 2])
    """
    check_matrix("embeddings", embeddings)
    check_count(n, embeddings.shape[0])
    if cache_size < 1:
        raise AutoALError(f"cache_size={cache_size}: at least 1 sample has to be kept exact.")
    mean = column_mean(embeddings)
    space = Points(embeddings, mean.to(compute_dtype(embeddings)))
    centres = None
    if labelled is not None and labelled.shape[0] > 0:
        check_matrix("labelled", labelled, columns=embeddings.shape[1])
        labelled = labelled.to(embeddings.device)
        if compute_dtype(labelled) != space.dtype:
            labelled = labelled.to(space.dtype)
        centres = Points(labelled, space.shift)
    first = None
    if centres is None:
        first = nearest_to_mean(
            space.norms, mean.to(space.dtype), mean, lambda rows: distances_from(embeddings, rows, mean)
        )
    result = farthest_first(space, n, centres, first, cache_size, progress)
    distance = result.distance.sqrt().to(embeddings.device)
    log = {"passes": float(result.passes), "radius": float(distance[-1])}
    return Picks(result.index.to(embeddings.device), distance, log)


@full_precision()
def kcenter_pca(
    embeddings: Tensor,
    n: int,
    labelled: Tensor | None = None,
    components: int = 50,
    cache_size: int = 512,
    progress: Progress | None = None,
) -> Picks:
    """Run :func:`kcenter` on the leading principal components of pool and labelled samples together.

    Args:
        embeddings: ``(N, D)`` pool.
        n: Number of picks, 1 to N.
        labelled: ``(L, D)`` labelled samples, or ``None``.
        components: Number of principal components, at most D are used.
        cache_size: See :func:`kcenter`.
        progress: Called with (picks made, n).

    Returns:
        The picks as of :func:`kcenter`; also logs ``explained_variance``, the fraction that the components keep.

    Raises:
        AutoALError: If shapes, values, n or ``components`` are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 0.1], [1.0, 0.0], [9.0, 0.1]])
        >>> kcenter_pca(x, 1, labelled=x[:1], components=1).index
        tensor([2])
    """
    check_matrix("embeddings", embeddings)
    check_count(n, embeddings.shape[0])
    if components < 1:
        raise AutoALError(f"components={components}: at least 1 principal component is needed.")
    parts = [embeddings]
    if labelled is not None and labelled.shape[0] > 0:
        check_matrix("labelled", labelled, columns=embeddings.shape[1])
        parts.append(labelled.to(embeddings))
    mean, axes, explained = _principal_axes(parts, components)
    projected = [_project(part, mean, axes) for part in parts]
    picks = kcenter(projected[0], n, projected[1] if len(projected) > 1 else None, cache_size, progress)
    return picks._replace(log={**picks.log, "explained_variance": explained})


def _principal_axes(parts: list[Tensor], components: int) -> tuple[Tensor, Tensor, float]:
    """Mean ``(D,)``, leading axes ``(D, components)`` and the explained fraction of variance, in float64."""
    width = parts[0].shape[1]
    device = parts[0].device
    rows = sum(part.shape[0] for part in parts)
    total = torch.zeros(width, dtype=torch.float64, device=device)
    for part in parts:
        for low, high in row_blocks(part.shape[0], 3 * width, device):
            total += part[low:high].double().sum(0)
    mean = total / rows
    scatter = torch.zeros(width, width, dtype=torch.float64, device=device)
    for part in parts:
        dtype = compute_dtype(part)
        for low, high in row_blocks(part.shape[0], 3 * width, device):
            block = part[low:high].to(dtype) - mean.to(dtype)
            scatter += block.T @ block
    values, vectors = torch.linalg.eigh(scatter)
    kept = min(components, width)
    spread = float(values.clamp(min=0).sum())
    explained = float(values[-kept:].clamp(min=0).sum()) / spread if spread > 0 else 1.0
    return mean, vectors[:, -kept:], explained


def _project(x: Tensor, mean: Tensor, axes: Tensor) -> Tensor:
    """Coordinates along the axes, in the computing type."""
    dtype = compute_dtype(x)
    out = torch.empty(x.shape[0], axes.shape[1], dtype=dtype, device=x.device)
    for low, high in row_blocks(x.shape[0], 2 * x.shape[1], x.device):
        out[low:high] = (x[low:high].to(dtype) - mean.to(dtype)) @ axes.to(dtype)
    return out
