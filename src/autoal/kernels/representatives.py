"""Typical and odd samples of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import check_matrix
from autoal.kernels.kmeans import weighted_kmeans
from autoal.kernels.precision import full_precision
from autoal.kernels.rows import Rows
from autoal.kernels.ties import largest, smallest
from autoal.kernels.typiclust import typicality


@full_precision()
def class_representatives(
    features: Tensor,
    targets: Tensor,
    per_class: int,
    generator: torch.Generator,
    odd: bool = False,
    neighbours: int = 20,
) -> Tensor:
    r"""Return the most typical samples of each class, or the least typical ones.

    The stand-ins for a strategy that buys typical samples, and for one that avoids them, in Hacohen, Weinshall,
    *How to Select Which Active Learning Strategy is Best Suited for Your Specific Problem and Budget*,
    NeurIPS 2023. K-means splits a class into as many clusters as samples are wanted; each gives the one with the
    largest (smallest) typicality, the inverse of the mean distance to its min(``neighbours``, half the members)
    nearest members. A class always keeps one sample.

    Args:
        features: ``(L, D)`` labelled samples; rows are divided by their lengths.
        targets: ``(L,)`` their classes.
        per_class: Samples wanted of each class; one of ``m`` samples gives at most ``m - 1``.
        generator: Seeds k-means.
        odd: Whether the least typical samples are wanted.
        neighbours: Largest number of neighbours that make a sample typical.

    Returns:
        Rows, ascending ``(<= per_class * C,)``.

    Raises:
        AutoALError: If shapes or values are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0]])
        >>> y = torch.tensor([0, 0, 0, 1])
        >>> class_representatives(x, y, 1, torch.Generator().manual_seed(0))  # a class of one keeps it
        tensor([1])
    """
    check_matrix("features", features)
    if targets.shape != features.shape[:1]:
        raise AutoALError(f"targets {tuple(targets.shape)} do not fit features {tuple(features.shape)}.")
    if per_class < 1:
        raise AutoALError(f"per_class={per_class}: at least 1 is needed.")
    rows = Rows(features, features.shape[0], World(), True)
    best = smallest if odd else largest
    found: list[int] = []
    for label in targets.unique():
        own = (targets == label).nonzero().squeeze(1).to(features.device)
        k = min(per_class, len(own) - 1)
        if k < 1:
            continue
        unit = rows.unit(features[own], rows.dtype)[0]
        clusters = weighted_kmeans(unit, k, generator)[1]
        for cluster in clusters.unique():
            members = own[clusters == cluster]
            found.append(int(members[best(typicality(rows, members, neighbours))]))
    return torch.tensor(sorted(found), dtype=torch.int64, device=features.device)
