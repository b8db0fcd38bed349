"""GALAXY: bisection between opposite labels on a line per class, label by label."""

from __future__ import annotations

import torch

from autoal import kernels
from autoal.kernels.lines import Line
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.interactive import InteractiveStrategy
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("galaxy")
class GALAXY(InteractiveStrategy):
    """For a class drawn at random, halve the shortest gap between a label of it and one of another.

    The samples stand on a line per class, by how much they look like it
    (:func:`~autoal.kernels.class_line`). Where no gap is left, the unlabelled sample nearest to a change of labels
    is taken; where nothing changes, any. What a label says moves the gaps of all classes, so it is bought before
    the next sample is chosen. Rare classes get as many turns as common ones.
    """

    info = StrategyInfo(
        "hybrid",
        "bisects the class boundaries label by label (asks inside a batch)",
        "Zhang, Katz-Samuels, Nowak: GALAXY: Graph-based Active Learning at the Extreme",
        "ICML 2022",
    )

    @property
    def needs(self) -> Needs:
        """Logits of pool and labelled samples."""
        return Needs(labelled=True)

    def start(self, ctx: QueryContext, n: int) -> Bisection:
        """Put all samples on a line per class."""
        return Bisection(
            lines_of(ctx), torch.randint(ctx.n_classes, (n,), generator=ctx.generator("classes")), ctx
        )


def lines_of(ctx: QueryContext) -> list[Line]:
    """Return a line per class; rows below N are the unlabelled pool's, the labelled samples follow."""
    logits = torch.cat([ctx.unlabelled.logits, ctx.known.logits]).cpu()
    labels = torch.full((len(logits),), -1)
    labels[len(ctx.unlabelled) :] = ctx.labelled_targets.cpu()
    return [Line(kernels.class_line(logits, k), k, labels) for k in range(ctx.n_classes)]


class Bisection:
    """A batch of GALAXY's while it grows.

    Args:
        lines: One per class.
        turns: Class of each pick.
        ctx: Where random picks come from.
    """

    def __init__(self, lines: list[Line], turns: torch.Tensor, ctx: QueryContext) -> None:
        self._lines = lines
        self._turns = iter(turns.tolist())
        self._random = ctx.generator("rows")
        self._counts = {"gaps": 0, "cuts": 0, "random": 0}

    def propose(self) -> tuple[int, float]:
        """Halve a gap, else go to a cut, else draw; the score is minus the distance to the labels' change."""
        line = self._lines[next(self._turns)]
        gap = line.shortest_gap()
        if gap is not None:
            self._counts["gaps"] += 1
            return int(line.order[sum(gap) // 2]), -float(gap[1] - gap[0])
        near = line.nearest_to_a_cut()
        if near is not None:
            self._counts["cuts"] += 1
            return int(line.order[near[0]]), -float(near[1])
        self._counts["random"] += 1
        # In the order of the pool, not of the line: a draw must not follow the last bit of a logit.
        number = int(torch.randint(line.n_free, (1,), generator=self._random))
        return line.free_row(number), -float(len(line.order))

    def learn(self, row: int, label: int) -> None:
        """Tell every line."""
        for line in self._lines:
            line.learn(row, label)

    def log(self) -> dict[str, float]:
        """Return how many picks were of each kind."""
        return {f"galaxy_{name}": float(count) for name, count in self._counts.items()}
