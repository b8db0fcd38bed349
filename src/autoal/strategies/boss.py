"""BoSS: the batch that is best when tried with the true labels. A ceiling, no method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from autoal.config.values import Count
from autoal.kernels.types import Picks
from autoal.query.candidates import CandidateStrategy, build_candidate
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo, silent_phase
from autoal.query.registry import register
from autoal.training.inference import Needs
from autoal.training.task import Task

CANDIDATES = ("random", "margin", "kcenter", "badge", "bait", "typiclust", "alfamix", "dropquery")
_FACTOR = 4
"""A part of the pool holds at least so many batches."""


@register("boss")
class BoSS(CandidateStrategy):
    """Try many batches with their true labels and buy the one with the smallest error on the test set.

    Each batch is what a candidate, drawn at random, makes of a random part of the pool. Candidates in ``by_class``
    also take part in a form that knows the true classes: they share the batch out over the classes, those with the
    fewest labels first, and choose within each. Every batch is bought on paper, a classifier is trained from the
    initial weights, and the test set is asked.

    Nobody can buy labels like this: it reads labels that were not paid for, and it is chosen on the very test set
    that is reported, so it is also lucky. What it shows is how much better than the candidates any choice among
    their batches could be.

    Args:
        candidates: Strategies that make batches: names, or mappings of ``name`` and options.
        by_class: Those that also choose class by class.
        batches: Number of batches that are tried; the cost of a query is as many trainings.
        epochs: Upper bound of epochs of each.
        largest_part: Largest random part of the pool that a candidate is asked about.
    """

    info = StrategyInfo(
        "ceiling",
        "reads the truth: the best of many batches, tried on the test set",
        "BoSS: A Best-of-Strategies Selector as an Oracle for Deep Active Learning",
        "arXiv 2026",
    )
    reads_truth: ClassVar[bool] = True

    def __init__(
        self,
        candidates: Sequence[str | Mapping[str, Any]] = CANDIDATES,
        by_class: Sequence[str | Mapping[str, Any]] = ("typiclust", "dropquery"),
        batches: Count = 100,
        epochs: Count = 50,
        largest_part: Count = 5000,
    ) -> None:
        super().__init__(candidates)
        self.by_class = [build_candidate(spec, f"strategy.by_class[{i}]") for i, spec in enumerate(by_class)]
        self.batches = batches
        self.epochs = epochs
        self.largest_part = largest_part

    @property
    def needs(self) -> Needs:
        """What any candidate needs."""
        needs = super().needs
        for candidate in self.by_class:
            needs = needs | candidate.needs
        return needs

    @property
    def needs_experiment(self) -> bool:
        """It trains classifiers."""
        return True

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Make batches, try each, take the best."""
        quiet = replace(ctx, phase=silent_phase)
        candidates = [
            candidate.prepared(quiet.within("arm", k))
            for k, candidate in enumerate([*self.candidates, *self.by_class])
        ]
        draw = torch.randint(len(candidates), (self.batches,), generator=ctx.generator("arms")).tolist()
        best: tuple[float, int, Tensor] | None = None
        errors = []
        with ctx.phase("ceiling") as progress:
            for number, k in enumerate(draw):
                rows = self._batch(quiet.within("batch", number), candidates[k], n, k >= len(self.candidates))
                error = self._error(ctx, rows)
                errors.append(error)
                if best is None or error < best[0]:
                    best = (error, k, rows)
                progress(number + 1, self.batches)
        assert best is not None
        error, candidate, rows = best
        log = {"boss_arm": float(candidate), "boss_error": error, "boss_error_mean": sum(errors) / len(errors)}
        return Picks(rows, torch.full((n,), 1.0 - error), log)

    def _batch(self, ctx: QueryContext, candidate: QueryStrategy, n: int, by_class: bool) -> Tensor:
        """Return the rows ``(n,)`` that a candidate makes of a random part of the pool."""
        size, least = len(ctx.unlabelled), _FACTOR * n
        most = max(least, min(self.largest_part, size))
        wanted = int(torch.randint(least, most + 1, (1,), generator=ctx.generator("size")))
        part = torch.randperm(size, generator=ctx.generator("part"))[:wanted].sort().values
        if not by_class:
            return part[candidate.select(ctx.part(part), n).index.cpu()]
        classes = ctx.true_labels.labels(ctx.unlabelled.ids[part])
        shares = share_out(classes, torch.bincount(ctx.labelled_targets.cpu(), minlength=ctx.n_classes), n)
        found = []
        for label, share in enumerate(shares):
            if share:
                own = part[classes == label]
                found.append(own[candidate.select(ctx.part(own).within("class", label), share).index.cpu()])
        return torch.cat(found)

    def _error(self, ctx: QueryContext, rows: Tensor) -> float:
        """Return the share of the test set that a classifier gets wrong which also has these rows' true labels."""
        task: Task = replace(ctx.required_task, epochs=min(self.epochs, ctx.required_task.epochs))
        chosen = ctx.unlabelled.ids[rows]
        ids = torch.cat([ctx.labelled_ids, chosen])
        targets = torch.cat([ctx.labelled_targets.cpu(), ctx.true_labels.labels(chosen)])
        ids, order = ids.sort()
        net = task.initial_net()
        # One stream for all batches: they differ in their samples, not in their luck.
        task.fit(net, ids, targets[order], ("boss", ctx.round))
        return ctx.true_labels.test_error(net)


def share_out(classes: Tensor, held: Tensor, n: int) -> list[int]:
    """Deal n picks over classes one by one, each to the class with the fewest labels that has samples left.

    Args:
        classes: Class of every sample that may be picked ``(M,)``, ``M >= n``.
        held: Labels of each class so far ``(C,)``.
        n: Picks.

    Returns:
        Picks of each class; of equal classes the first comes first.
    """
    left = torch.bincount(classes, minlength=len(held)).tolist()
    have, shares = held.tolist(), [0] * len(held)
    for _ in range(n):
        label = min((c for c in range(len(have)) if left[c]), key=lambda c: have[c] + shares[c])
        left[label] -= 1
        shares[label] += 1
    return shares
