"""Samples on a line per class: from those that are surely not of it to those that surely are.

Along such a line labels change from "not" to "is" about once if the classifier is any good, so the place of the
change can be searched for like the boundary in one dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import check_matrix
from autoal.kernels.precision import full_precision
from autoal.kernels.ties import log_softmax

_TIE = 1e-8
"""Weight of the largest probability, which orders the samples of the predicted class."""


@full_precision()
def class_line(logits: Tensor, label: int) -> Tensor:
    r"""Return all rows in the order of how much they look like a class, most unlike first.

    The order is that of :math:`p_k - \max_j p_j + 10^{-8} \max_j p_j`; of two classes that of :math:`p_k` alone.
    Of equal samples the lower row comes first.

    Args:
        logits: ``(N, C)``.
        label: The class k.

    Returns:
        Rows ``(N,)`` int64.

    Raises:
        AutoALError: If logits or class are not usable.

    Example:
        >>> import torch
        >>> class_line(torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 3.0]]), 1)
        tensor([0, 1, 2])
    """
    check_matrix("logits", logits)
    if not 0 <= label < logits.shape[1]:
        raise AutoALError(f"label={label}: there are classes 0 to {logits.shape[1] - 1}.")
    p = log_softmax(logits).exp()
    if logits.shape[1] == 2:
        return p[:, label].argsort(stable=True)
    most = p.amax(1)
    return (p[:, label] - most + _TIE * most).argsort(stable=True)


class Line:
    """One class's line with what is known of it.

    Args:
        order: Rows in order ``(N,)``, see :func:`class_line`.
        label: The class.
        labels: Class of each row ``(N,)``, -1 where it is unlabelled.
    """

    def __init__(self, order: Tensor, label: int, labels: Tensor) -> None:
        self.order = order
        self.label = label
        self._place = torch.empty_like(order)
        self._place[order] = torch.arange(len(order), device=order.device)
        along = labels[order]
        self.known = along >= 0
        self.inside = along == label

    def learn(self, row: int, label: int) -> None:
        """Take notice of a row's label."""
        place = int(self._place[row])
        self.known[place] = True
        self.inside[place] = label == self.label

    @property
    def free(self) -> Tensor:
        """Places without a label, ascending."""
        return (~self.known).nonzero().squeeze(1)

    def shortest_gap(self) -> tuple[int, int] | None:
        """Return labels around the shortest unlabelled run between opposite labels, the first of equals.

        Returns:
            ``(a, b)`` with nothing but unlabelled places between, at least one; None where there is no such run.
        """
        places = self.known.nonzero().squeeze(1)
        a, b = places[:-1], places[1:]
        fits = (self.inside[a] != self.inside[b]) & (b - a > 1)
        if not bool(fits.any()):
            return None
        width = torch.where(fits, b - a, len(self.order) + 1)
        best = int((width == width.min()).nonzero()[0])
        return int(a[best]), int(b[best])

    def nearest_to_a_cut(self) -> tuple[int, int] | None:
        """Return the unlabelled place nearest to a pair of opposite labels side by side, and its distance.

        Returns:
            The lower of equally near places; None where there is no such pair.
        """
        cuts = (self.known[:-1] & self.known[1:] & (self.inside[:-1] != self.inside[1:])).nonzero().squeeze(1)
        free = self.free
        if not len(cuts) or not len(free):
            return None
        after = torch.searchsorted(cuts, free)
        below, above = cuts[(after - 1).clamp(min=0)], cuts[after.clamp(max=len(cuts) - 1)]
        # A cut at c lies between c and c + 1.
        from_below = torch.where(after > 0, free - below - 1, len(self.order))
        from_above = torch.where(after < len(cuts), above - free, len(self.order))
        distance = torch.minimum(from_below, from_above)
        best = int((distance == distance.min()).nonzero()[0])
        return int(free[best]), int(distance[best])

    def agreement(self) -> Tensor:
        """Return how many labels each threshold explains.

        Returns:
            ``(N + 1,)``: at j, the labels outside the class before place j and those inside from place j on.
        """
        zero = torch.zeros(1, dtype=torch.int64, device=self.known.device)
        outside = torch.cat([zero, (self.known & ~self.inside).long().cumsum(0)])
        inside = torch.cat([zero, (self.known & self.inside).long().cumsum(0)])
        return outside + (inside[-1] - inside)
