"""Samples on a line per class: from those that are surely not of it to those that surely are.

Along such a line labels change from "not" to "is" about once if the classifier is any good, so the place of the
change can be searched for like the boundary in one dimension.
"""

from __future__ import annotations

from bisect import insort

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

    The order is that of :math:`p_k - \max_j p_j + 10^{-8} \max_j p_j`; of two classes only that of :math:`p_k`.
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

    Beside a flag per place the places with a label are kept in order, so that gaps and cuts are found among the
    labels only, however long the line is.

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
        self._places: list[int] = self.known.nonzero().squeeze(1).tolist()

    def learn(self, row: int, label: int) -> None:
        """Take notice of a row's label."""
        place = int(self._place[row])
        if not bool(self.known[place]):
            insort(self._places, place)
        self.known[place] = True
        self.inside[place] = label == self.label

    @property
    def free(self) -> Tensor:
        """Places without a label, ascending."""
        return (~self.known).nonzero().squeeze(1)

    def _labelled(self) -> tuple[Tensor, Tensor]:
        """Places with a label, ascending, and whether the label after each is the opposite one."""
        places = torch.tensor(self._places, dtype=torch.int64, device=self.order.device)
        inside = self.inside[places]
        return places, inside[:-1] != inside[1:]

    def shortest_gap(self) -> tuple[int, int] | None:
        """Return labels around the shortest unlabelled run between opposite labels, the first of equals.

        Returns:
            ``(a, b)`` with nothing but unlabelled places between, at least one; None where there is no such run.
        """
        places, opposite = self._labelled()
        a, b = places[:-1], places[1:]
        fits = opposite & (b - a > 1)
        if not bool(fits.any()):
            return None
        width = torch.where(fits, b - a, len(self.order) + 1)
        best = int((width == width.min()).nonzero()[0])
        return int(a[best]), int(b[best])

    def nearest_to_a_cut(self) -> tuple[int, int] | None:
        """Return the unlabelled place nearest to a pair of opposite labels side by side, and its distance.

        Returns:
            The lower of equally near places; None where there is no such pair or no unlabelled place.
        """
        places, opposite = self._labelled()
        side_by_side = places.diff() == 1
        cuts = (side_by_side & opposite).nonzero().squeeze(1)
        if not len(cuts):
            return None
        # The nearest unlabelled places are the neighbours of the run of labels that the cut lies in.
        ends = torch.cat([(~side_by_side).nonzero().squeeze(1), torch.tensor([len(places) - 1])])
        starts = torch.cat([torch.tensor([0]), ends[:-1] + 1])
        run = torch.searchsorted(ends, cuts)
        below, above = places[starts[run]] - 1, places[ends[run]] + 1
        # A cut at c lies between c and c + 1.
        free = torch.cat([below, above])
        distance = torch.cat([places[cuts] - below, above - places[cuts] - 1])
        there = (free >= 0) & (free < len(self.order))
        if not bool(there.any()):
            return None
        free, distance = free[there], distance[there]
        nearest = int(distance.min())
        return int(free[distance == nearest].min()), nearest

    def free_row(self, number: int) -> int:
        """Return an unlabelled row by its number among the unlabelled rows, ascending."""
        rows = self.order[torch.tensor(self._places, dtype=torch.int64, device=self.order.device)].sort().values
        # So many unlabelled rows lie before each labelled one.
        before = rows - torch.arange(len(rows), device=rows.device)
        return number + int((before <= number).sum())

    @property
    def n_free(self) -> int:
        """How many rows have no label."""
        return len(self.order) - len(self._places)

    def agreement(self) -> Tensor:
        """Return how many labels each threshold explains.

        Returns:
            ``(N + 1,)``: at j, the labels outside the class before place j and those inside from place j on.
        """
        zero = torch.zeros(1, dtype=torch.int64, device=self.known.device)
        outside = torch.cat([zero, (self.known & ~self.inside).long().cumsum(0)])
        inside = torch.cat([zero, (self.known & self.inside).long().cumsum(0)])
        return outside + (inside[-1] - inside)
