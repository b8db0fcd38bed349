"""SelectAL: which strategy's kind of sample, taken away, hurts the classifier most?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from autoal import kernels
from autoal.config.values import Count, Range
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.candidates import CandidateStrategy
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs, pool_pass
from autoal.training.task import Task

REMOVALS = ("random", "typical", "odd")
"""What is taken away, in the order of the strategies that stand for it."""


@register("selectal")
class SelectAL(CandidateStrategy):
    r"""Names the regime by taking labels away, and asks the strategy made for it.

    The labelled samples are split into folds. For each fold the classifier is trained on the others three times:
    without c samples per class that were drawn at random, without the c most typical ones, and without the c least
    typical ones. What hurts the accuracy most, over all folds, is what more should be bought of. If nothing hurts
    more than the random removal does, the first strategy is asked.

    Every labelled sample is tested once, so with L labels a difference of accuracies has a standard error of about
    :math:`\sqrt{\delta / L}`, :math:`\delta` being the share on which two classifiers disagree: with few labels
    the choice is close to a draw. Equal accuracies are told apart by the cross-entropy.

    Args:
        candidates: Three strategies: for random samples, for a low budget and for a high one.
        removed: Samples that are taken away, as a share of the labelled ones; at least one per class, and never
            the last one of a class.
        folds: Number of folds; the classifier is trained three times as often.
    """

    info = StrategyInfo(
        "search",
        "asks a low- or a high-budget strategy, whichever kind of label the classifier misses most",
        "Hacohen, Weinshall: How to Select Which Active Learning Strategy is Best Suited for Your Specific "
        "Problem and Budget",
        "NeurIPS 2023",
    )

    def __init__(
        self,
        candidates: Sequence[str | Mapping[str, Any]] = ("random", "typiclust", "badge"),
        removed: Annotated[float, Range(0, 1, "()")] = 0.05,
        folds: Annotated[int, Range(2)] = 5,
    ) -> None:
        super().__init__(candidates)
        if len(self.candidates) != len(REMOVALS):
            raise AutoALError(f"selectal: candidates={list(candidates)} must be three strategies")
        self.removed = removed
        self.folds: Count = folds

    @property
    def needs(self) -> Needs:
        """What the candidates need, and embeddings of labelled samples."""
        return super().needs | Needs(embeddings=True)

    @property
    def needs_experiment(self) -> bool:
        """It trains classifiers."""
        return True

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Name the regime, then ask its strategy."""
        accuracy, loss = self._rehearse(ctx)
        # The first of the lowest: random removal, if it hurts as much as any other.
        candidate = min(range(len(REMOVALS)), key=lambda k: (accuracy[k], -loss[k]))
        picks = self.ask(ctx, candidate, n)
        log = {"selectal_arm": float(candidate)}
        log |= {f"selectal_without_{name}": a for name, a in zip(REMOVALS, accuracy, strict=True)}
        return picks._replace(log={**picks.log, **log})

    def _rehearse(self, ctx: QueryContext) -> tuple[list[float], list[float]]:
        """Return accuracy and cross-entropy over all folds, for each kind of removal."""
        task = ctx.required_task
        right, loss = [0.0] * len(REMOVALS), [0.0] * len(REMOVALS)
        with ctx.phase("rehearse") as progress:
            for fold, (train, held) in enumerate(self._split(ctx)):
                for k, name in enumerate(REMOVALS):
                    own = ctx.within("fold", fold, name)
                    kept = self._keep(own, name, train)
                    hits, nats = _trial(ctx, task, kept, held, ("selectal", ctx.round, fold))
                    right[k] += hits
                    loss[k] += nats
                progress(fold + 1, self.folds)
        count = len(ctx.labelled_ids)
        return [r / count for r in right], [v / count for v in loss]

    def _split(self, ctx: QueryContext) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield places in the labelled pool to train on and to test on, both ascending."""
        order = torch.randperm(len(ctx.labelled_ids), generator=ctx.generator("folds"))
        for fold in range(min(self.folds, len(order))):
            held = order[fold :: self.folds].sort().values
            rest = torch.ones(len(order), dtype=torch.bool)
            rest[held] = False
            yield (rest.nonzero().squeeze(1) if bool(rest.any()) else held), held

    def _keep(self, ctx: QueryContext, name: str, train: Tensor) -> Tensor:
        """Return the places that are left of ``train`` after a removal."""
        targets = ctx.labelled_targets.cpu()[train]
        per_class = max(1, int(self.removed * len(train) / ctx.n_classes))
        if name == "random":
            gone = _random_of_classes(targets, per_class, ctx.generator("random"))
        else:
            features = ctx.labelled_embeddings[train.to(ctx.device)]
            gone = kernels.class_representatives(
                features, targets, per_class, ctx.generator("clusters"), odd=name == "odd"
            ).cpu()
        left = torch.ones(len(train), dtype=torch.bool)
        left[gone] = False
        return train[left]


def _random_of_classes(targets: Tensor, per_class: int, generator: torch.Generator) -> Tensor:
    """Return rows drawn from each class, as many as :func:`~autoal.kernels.class_representatives` would."""
    found = []
    for label in targets.unique():
        own = (targets == label).nonzero().squeeze(1)
        found.append(own[torch.randperm(len(own), generator=generator)[: min(per_class, len(own) - 1)]])
    return torch.cat(found)


def _trial(
    ctx: QueryContext, task: Task, kept: Tensor, held: Tensor, stream: tuple[str | int, ...]
) -> tuple[float, float]:
    """Train on some labelled samples; return right answers and summed cross-entropy on others."""
    targets = ctx.labelled_targets.cpu()
    net = task.initial_net()
    task.fit(net, ctx.labelled_ids[kept], targets[kept], stream)
    logits = pool_pass(net, task.data, ctx.labelled_ids[held], Needs()).logits.double().cpu()
    loss = nn.functional.cross_entropy(logits, targets[held], reduction="sum")
    return float((logits.argmax(1) == targets[held]).sum()), float(loss)
