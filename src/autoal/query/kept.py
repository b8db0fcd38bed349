"""Inner products of a pool whose features stay from query to query, as those of a frozen network do."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.kernels.checks import compute_dtype
from autoal.kernels.precision import full_precision
from autoal.kernels.rows import Kept, Rows
from autoal.kernels.types import Picks


class KeptProducts:
    """Keeps the inner products of a pool's rows while the pool only loses rows.

    The first query only remembers the features. Where the second one sees the same, the products are made, and
    later ones find them; a network trained from round to round makes none. Memory is the square of the pool.

    Args:
        most_bytes: No products that take more than this are made.
    """

    def __init__(self, most_bytes: int = 1 << 30) -> None:
        self.most_bytes = most_bytes
        self._ids = torch.empty(0, dtype=torch.int64)
        self._features = torch.empty(0, 0)
        self._made: tuple[Tensor, Tensor] | None = None

    def of(self, ids: Tensor, features: Tensor, world: World) -> Kept | None:
        """Return the products of a pool.

        Args:
            ids: ``(N,)`` ids of its samples, ascending.
            features: ``(N, D)`` their features; they must not be written to afterwards.
            world: Over whom they are spread.

        Returns:
            None where there are none: at a first query, with features that have changed, with several ranks, and
            with a pool too large.
        """
        dtype = compute_dtype(features)
        if world.size > 1 or len(ids) ** 2 * torch.finfo(dtype).bits // 8 > self.most_bytes:
            return None
        ids = ids.cpu()
        place = torch.searchsorted(self._ids, ids).clamp(max=max(len(self._ids) - 1, 0))
        if not self._known(ids, features, place):
            self._ids, self._features, self._made = ids, features, None
            return None
        if self._made is None:
            with full_precision():  # herding relies on how far off a product may be
                old = self._features
                rows, norms = Rows(old, len(old), World(), normalise=True).unit(old, dtype)
                self._made = rows @ rows.T, norms
        return Kept(*self._made, place.to(features.device))

    def _known(self, ids: Tensor, features: Tensor, place: Tensor) -> bool:
        """Whether these samples were there at the first query, with the same features."""
        old = self._features
        if not len(ids) or not len(self._ids) or (old.dtype, old.device) != (features.dtype, features.device):
            return False
        return torch.equal(self._ids[place], ids) and torch.equal(old[place.to(old.device)], features)


def whichever_way(picks: Picks) -> Picks:
    """Leave out of the log how many kernel values it took, the one number that kept products may change.

    A run that goes on after a kill has none at its first query, and must write the same rows.
    """
    return picks._replace(log={name: value for name, value in picks.log.items() if name != "evaluations"})
