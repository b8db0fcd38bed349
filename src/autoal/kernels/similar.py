"""SIMILAR: samples like a query set (mutual information), or unlike a known one (conditional gain)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_matrix, row_blocks
from autoal.kernels.lazy import Greedy, lazy_greedy
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks
from autoal.kernels.unit import unit_rows


@full_precision()
def flqmi(features: Tensor, query: Tensor, n: int, eta: float = 1.0, progress: Progress | None = None) -> Picks:
    r"""Pick samples like those of a query set, together covering it.

    Kothawade, Beck, Killamsetty, Iyer, *SIMILAR: Submodular Information Measures Based Active Learning in
    Realistic Scenarios*, NeurIPS 2021, the facility-location mutual information in its form over the query set Q:
    :math:`\sum_{q \in Q} \max_{j \in S} s_{qj} + \eta \sum_{j \in S} \max_{q \in Q} s_{qj}` with
    :math:`s = (1 + \cos) / 2`. It needs N |Q| similarities, and gains of earlier picks bound later ones.

    Args:
        features: ``(N, D)`` features of the pool.
        query: ``(Q, D)`` samples of the kind that is wanted, at least one.
        n: Number of picks, 1 to N.
        eta: How much every single pick should be like the query set; 0 asks only for cover.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the gain. Of equal gains the lower row is chosen. Logs ``evaluations`` (gains that
        were computed) and ``filled`` (rows taken because no gain was left).

    Raises:
        AutoALError: If shapes, values, n or eta are not usable.

    Example:
        >>> import torch
        >>> flqmi(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.1, 1.0]]), 1).index
        tensor([1])
    """
    check_matrix("features", features)
    check_matrix("query", query, columns=features.shape[1])
    check_count(n, len(features))
    if not 0 <= eta < math.inf:
        raise AutoALError(f"eta={eta}: it must be finite and not negative.")
    z, wanted = unit_rows(features), unit_rows(query.to(features.device)).double()
    covered = torch.zeros(len(wanted), dtype=torch.float64, device=z.device)

    def gain(rows: Tensor) -> Tensor:
        out = torch.empty(len(rows), dtype=torch.float64, device=z.device)
        for low, high in row_blocks(len(rows), 6 * len(wanted) + 2 * z.shape[1], z.device):
            s = _similarity(z[rows[low:high]].double(), wanted)
            out[low:high] = (s - covered).clamp_(min=0).sum(1) + eta * s.amax(1)
        return out

    def choose(row: int) -> None:
        torch.maximum(covered, _similarity(z[row : row + 1].double(), wanted)[0], out=covered)

    bounds = gain(torch.arange(len(z), device=z.device))
    return _result(lazy_greedy(bounds, n, gain, choose, progress), features)


@full_precision()
def flcg(
    features: Tensor,
    n: int,
    known: Tensor | None = None,
    nu: float = 1.0,
    progress: Progress | None = None,
) -> Picks:
    r"""Pick samples that cover what a private set does not cover already.

    Kothawade et al., NeurIPS 2021, the facility-location conditional gain:
    :math:`\sum_i \max(\max_{j \in S} s_{ij} - \nu \max_{p \in P} s_{ip}, 0)` over the pool, with
    :math:`s = (1 + \cos) / 2`. Without a private set it is facility location. The first gains cost
    :math:`N^2 D`, in blocks; later ones are computed for only a few samples.

    Args:
        features: ``(N, D)`` features of the pool.
        n: Number of picks, 1 to N.
        known: ``(P, D)`` samples to keep away from, or ``None``.
        nu: How strictly.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the gain. Of equal gains the lower row is chosen. Logs ``evaluations`` and
        ``filled``, see :func:`flqmi`.

    Raises:
        AutoALError: If shapes, values, n or nu are not usable.

    Example:
        >>> import torch
        >>> flcg(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 1, known=torch.tensor([[1.0, 0.1]])).index
        tensor([1])
    """
    check_matrix("features", features)
    check_count(n, len(features))
    if not 0 <= nu < math.inf:
        raise AutoALError(f"nu={nu}: it must be finite and not negative.")
    z = unit_rows(features)
    covered = torch.zeros(len(z), dtype=torch.float64, device=z.device)
    if known is not None and len(known) > 0:
        check_matrix("known", known, columns=features.shape[1])
        private = unit_rows(known.to(features.device)).double()
        for low, high in row_blocks(len(z), 4 * len(private) + 2 * z.shape[1], z.device):
            covered[low:high] = nu * _similarity(z[low:high].double(), private).amax(1)

    def gain(rows: Tensor) -> Tensor:
        own = z[rows].double()
        out = torch.zeros(len(rows), dtype=torch.float64, device=z.device)
        for low, high in row_blocks(len(z), 4 * len(rows) + 2 * z.shape[1], z.device):
            s = _similarity(own, z[low:high].double())
            out += (s - covered[low:high]).clamp_(min=0).sum(1)
        return out

    def choose(row: int) -> None:
        own = z[row : row + 1].double()
        for low, high in row_blocks(len(z), 2 * z.shape[1] + 4, z.device):
            part = _similarity(own, z[low:high].double())[0]
            covered[low:high] = torch.maximum(covered[low:high], part)

    return _result(lazy_greedy(_first_bounds(z, covered), n, gain, choose, progress), features)


def _first_bounds(z: Tensor, covered: Tensor) -> Tensor:
    """Upper bounds of the first gains of the conditional gain, from products in the type of the features."""
    out = torch.zeros(len(z), dtype=torch.float64, device=z.device)
    reached = covered.to(z.dtype)
    columns = 2048
    for start in range(0, len(z), columns):
        part = z[start : start + columns]
        for low, high in row_blocks(len(z), 2 * len(part), z.device):
            s = _similarity(z[low:high], part)
            out[start : start + columns] += (s - reached[low:high, None]).clamp_(min=0).sum(0).double()
    return out + 16 * torch.finfo(z.dtype).eps * len(z)


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """``(m, k)`` similarities (1 + cos) / 2 of unit rows."""
    return torch.mm(x, y.T).add_(1).mul_(0.5)


def _result(greedy: Greedy, features: Tensor) -> Picks:
    log = {"evaluations": float(greedy.evaluations), "filled": float(greedy.filled)}
    return Picks(greedy.index.to(features.device), greedy.gain.to(features.device), log)
