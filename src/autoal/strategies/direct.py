"""DIRECT: the best threshold of each rare class, then samples on both sides of it, label by label."""

from __future__ import annotations

import torch

from autoal.config.values import Count
from autoal.kernels.lines import Line
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.interactive import InteractiveStrategy
from autoal.query.registry import register
from autoal.strategies.galaxy import lines_of
from autoal.training.inference import Needs


@register("direct")
class DIRECT(InteractiveStrategy):
    r"""Search each rare class's threshold with half of the batch, spend the other half around the thresholds.

    The samples stand on a line per class (:func:`~autoal.kernels.class_line`). A threshold explains the labels of
    other classes before it and those of the class behind it. The best one explains most; a wrong label costs
    it one count instead of misleading a bisection.

    *First half.* The classes with the fewest labels, at most one per ``least`` picks and at least one, share it. A
    class's threshold is searched for between the labels that are surely right: before its first label and behind
    the last one of others. If there are labels on only one side, all places are open. Uniform samples of this
    interval are bought, ``step`` at a time. After each step the end whose threshold explains less moves in, until
    the interval has shrunk by the factor that makes it one sample wide after the last step.

    *Second half.* In an order drawn at random the classes share the rest: the unlabelled samples nearest to the
    best threshold, so that both sides are bought.

    The published program singles out rare classes the wrong way round, carries a class's smaller share over to the
    next one and may buy fewer labels than it should; here exactly n are bought.

    Args:
        step: Labels between two moves of an interval.
        least: Picks of the first half that a class needs to take part.
    """

    info = StrategyInfo(
        "hybrid",
        "finds the thresholds of rare classes label by label (asks inside a batch)",
        "Nuggehalli, Zhang, Jain, Nowak: DIRECT: Deep Active Learning under Imbalance and Label Noise",
        "arXiv 2023",
    )

    def __init__(self, step: Count = 20, least: Count = 60) -> None:
        self.step = step
        self.least = least

    @property
    def needs(self) -> Needs:
        """Logits of pool and labelled samples."""
        return Needs(labelled=True)

    def start(self, ctx: QueryContext, n: int) -> Thresholds:
        """Put all samples on a line per class, and share the batch out."""
        held = torch.bincount(ctx.labelled_targets.cpu(), minlength=ctx.n_classes)
        rarest = held.argsort(stable=True).tolist()
        first = n // 2
        searched = rarest[: max(1, min(ctx.n_classes, first // self.least))]
        order = torch.randperm(ctx.n_classes, generator=ctx.generator("classes")).tolist()
        plan = [(k, True, share) for k, share in zip(searched, _even(first, len(searched)), strict=True)]
        plan += [(k, False, share) for k, share in zip(order, _even(n - first, len(order)), strict=True)]
        return Thresholds(lines_of(ctx), plan, self.step, ctx.generator("rows"))


def _even(total: int, parts: int) -> list[int]:
    """Split a number into parts that differ by at most one, the larger ones first."""
    return [total // parts + (i < total % parts) for i in range(parts)]


class Interval:
    """The interval of one class's threshold while it shrinks.

    Args:
        line: The class's line.
        budget: Labels that may be bought.
        step: Labels between two moves.
    """

    def __init__(self, line: Line, budget: int, step: int) -> None:
        self.line = line
        self.step = step
        inside = (line.known & line.inside).nonzero().squeeze(1)
        outside = (line.known & ~line.inside).nonzero().squeeze(1)
        self.low, self.high = 0, len(line.order)
        if len(inside) and len(outside):
            before, behind = outside[outside < inside[0]], inside[inside > outside[-1]]
            self.low = int(before[-1]) + 1 if len(before) else 0
            self.high = int(behind[0]) if len(behind) else len(line.order)
        steps = max(1.0, budget / step)
        self._factor = max(1, self.width) ** (1 / steps)
        self._aim = float(self.width)
        self._bought = 0

    @property
    def free(self) -> torch.Tensor:
        """Unlabelled places of the interval."""
        return (~self.line.known[self.low : self.high]).nonzero().squeeze(1) + self.low

    @property
    def width(self) -> int:
        """How many there are."""
        return len(self.free)

    def bought(self) -> None:
        """Count a label; after a step move the ends in."""
        self._bought += 1
        if self._bought % self.step:
            return
        self._aim /= self._factor
        explained = self.line.agreement()
        while self.high > self.low and self.width > max(1.0, self._aim):
            if explained[self.low] <= explained[self.high]:
                self.low += 1
            else:
                self.high -= 1


class Thresholds:
    """A batch of DIRECT's while it grows.

    Args:
        lines: One per class.
        plan: Class, whether its threshold is searched for, and picks, in order.
        step: Labels between two moves of an interval.
        random: Draws places of an interval.
    """

    def __init__(
        self, lines: list[Line], plan: list[tuple[int, bool, int]], step: int, random: torch.Generator
    ) -> None:
        self._lines = lines
        self._plan = [part for part in plan if part[2]]
        self._step = step
        self._random = random
        self._search: Interval | None = None
        self._left = 0
        self._searched = 0

    def propose(self) -> tuple[int, float]:
        """Return a sample of the open interval, or the one nearest to the best threshold."""
        if not self._left:
            self._class, searching, self._left = self._plan.pop(0)
            line = self._lines[self._class]
            self._search = Interval(line, self._left, self._step) if searching else None
        self._left -= 1
        line = self._lines[self._class]
        if self._search is not None and self._search.width:
            self._searched += 1
            free = line.order[self._search.free].sort().values
            row = int(free[int(torch.randint(len(free), (1,), generator=self._random))])
            return row, -float(self._search.width)
        place, distance = nearest(line)
        return int(line.order[place]), -distance

    def learn(self, row: int, label: int) -> None:
        """Tell every line, and the interval."""
        for line in self._lines:
            line.learn(row, label)
        if self._search is not None:
            self._search.bought()

    def log(self) -> dict[str, float]:
        """Return how many labels went into intervals."""
        return {"direct_searched": float(self._searched)}


def nearest(line: Line) -> tuple[int, float]:
    """Return the unlabelled place nearest to the best threshold and its distance; the lower of equals.

    Of thresholds that explain equally many labels the middle one is taken.
    """
    explained = line.agreement()
    best = (explained == explained.max()).nonzero().squeeze(1)
    threshold = float(best[(len(best) - 1) // 2]) - 0.5  # between two places
    free = line.free
    distance = (free.double() - threshold).abs()
    place = int((distance == distance.min()).nonzero()[0])
    return int(free[place]), float(distance[place])
