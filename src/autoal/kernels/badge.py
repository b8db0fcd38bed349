"""BADGE: k-means++ over the gradients of the last layer."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.kernels.checks import Progress, check_count, check_logits, check_matrix, uniform
from autoal.kernels.geometry import GradientEmbeddings, largest_gradient
from autoal.kernels.precision import full_precision
from autoal.kernels.sampling import d2_sample
from autoal.kernels.types import Picks


@full_precision()
def badge(
    logits: Tensor,
    embeddings: Tensor,
    n: int,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Picks:
    r"""Draw a batch that is uncertain and diverse at once.

    Ash, Zhang, Krishnamurthy, Langford, Agarwal, *Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
    Bounds*, ICLR 2020: :math:`g_x = (p(x) - e_{\hat y}) \otimes h(x)` is the gradient of the loss at the predicted
    label with respect to the last layer; the first pick has the largest :math:`\|g\|`, the others are drawn by
    D^2 sampling. The gradients are never written out, and the draws have exactly the distribution of the explicit
    algorithm.

    Args:
        logits: ``(N, C)`` logits of the pool.
        embeddings: ``(N, D)`` inputs of the last layer.
        n: Number of picks, 1 to N.
        generator: The source of randomness.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the distance in gradient space to the nearest earlier pick (for the first, its
        norm; 0 for filled rows). Logs ``passes`` over the pool, ``proposals`` of the rejection sampler, ``filled``
        (rows chosen uniformly because no gradient was left that differs from a pick) and ``largest_norm``.

    Raises:
        AutoALError: If shapes, values or n are not usable.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.1, 0.0], [9.0, 0.0], [0.0, 0.2], [9.0, 0.0]])
        >>> embeddings = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
        >>> badge(logits, embeddings, 2, torch.Generator().manual_seed(0)).index
        tensor([0, 2])
    """
    check_logits("logits", logits)
    check_matrix("embeddings", embeddings, rows=logits.shape[0])
    check_count(n, logits.shape[0])
    space = GradientEmbeddings(logits, embeddings)
    largest = float(space.norms.max())
    # Where every prediction is certain no gradient says anything, and the first row is as arbitrary as the rest.
    random_row = min(int(uniform(1, generator) * space.n), space.n - 1)
    first = largest_gradient(space, space.norms, space.take) if largest > 0 else random_row
    seeds = d2_sample(space, n, generator, first, progress=progress)
    score = seeds.distance.sqrt()
    score[0] = largest**0.5
    log = {
        "passes": float(seeds.passes),
        "proposals": float(seeds.proposals),
        "filled": float(seeds.filled),
        "largest_norm": largest**0.5,
    }
    return Picks(seeds.index.to(logits.device), score.to(logits.device), log)
