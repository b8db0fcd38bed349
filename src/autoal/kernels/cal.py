"""CAL: samples whose neighbours among the labelled ones are predicted otherwise."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import check_logits, check_matrix, row_blocks
from autoal.kernels.precision import full_precision
from autoal.kernels.ties import settled
from autoal.kernels.unit import unit_rows

_GRID = 2.0**36
_PLACES = 1 << 25


@full_precision()
def cal(
    embeddings: Tensor,
    logits: Tensor,
    labelled_embeddings: Tensor,
    labelled_logits: Tensor,
    neighbours: int = 10,
) -> Tensor:
    r"""Mean divergence of a sample's prediction from those of its nearest labelled samples.

    Margatina, Vernikos, Barrault, Aletras, *Active Learning by Acquiring Contrastive Examples*, EMNLP 2021:
    :math:`\frac1k \sum_{j \in N_k(x)} KL(p_j \,\|\, p_x)` over the k labelled samples nearest by cosine.

    Args:
        embeddings: ``(N, D)`` embeddings of the pool.
        logits: ``(N, C)`` logits of the pool.
        labelled_embeddings: ``(L, D)`` embeddings of the labelled samples, at least one.
        labelled_logits: ``(L, C)`` their logits.
        neighbours: k; all labelled samples where there are fewer. The paper uses 10.

    Returns:
        ``(N,)`` float64 in nats, finite, never negative, higher is more contrastive. Of equally near labelled
        samples the lower rows are taken.

    Raises:
        AutoALError: If shapes, values or ``neighbours`` are not usable.

    Example:
        >>> import torch
        >>> z, known = torch.tensor([[1.0, 0.1], [0.1, 1.0]]), torch.eye(2)
        >>> logits = torch.tensor([[0.0, 3.0], [0.0, 3.0]])
        >>> cal(z, logits, known, torch.tensor([[3.0, 0.0], [0.0, 3.0]]), neighbours=1).argmax()
        tensor(0)
    """
    check_logits("logits", logits)
    check_matrix("embeddings", embeddings, rows=logits.shape[0])
    check_matrix("labelled_embeddings", labelled_embeddings, columns=embeddings.shape[1])
    check_logits("labelled_logits", labelled_logits, rows=labelled_embeddings.shape[0], columns=logits.shape[1])
    if neighbours < 1:
        raise AutoALError(f"neighbours={neighbours}: at least 1 labelled neighbour is needed.")
    known = unit_rows(labelled_embeddings.to(embeddings.device)).double()
    k, count, classes = min(neighbours, len(known)), len(known), logits.shape[1]
    logp = torch.log_softmax(labelled_logits.to(logits.device).double(), 1).clamp_(min=-1e30)
    p, own = logp.exp(), torch.xlogy(logp.exp(), logp.exp()).sum(1)
    z = unit_rows(embeddings)
    # A key of the rounded similarity and then the row: which of equally near samples comes first is not left to
    # the last bit of a product.
    place = _PLACES - 1 - torch.arange(count, device=z.device)
    out = torch.empty(len(z), dtype=torch.float64, device=z.device)
    for low, high in row_blocks(len(z), 6 * count + 2 * z.shape[1] + (2 * k + 4) * classes, z.device):
        similar = z[low:high].double() @ known.T
        nearest = torch.topk((similar * _GRID).round().long() * _PLACES + place, k, dim=1).indices
        mine = torch.log_softmax(logits[low:high].double(), 1).clamp_(min=-1e30)
        cross = (p[nearest] * mine[:, None, :]).sum(2)
        out[low:high] = (own[nearest] - cross).mean(1)
    return settled(out.clamp_(min=0))
