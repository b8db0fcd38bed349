"""The alternating first-order updates of FitNet, SearchNet and the loss-prediction module (Eq. 1, 7-9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from autoal.data.loader import global_batches
from autoal.distributed import World
from autoal.kernels.checks import Progress
from autoal.learned.loss_prediction import ranking_loss
from autoal.search.fitnet import FitNetTrainer
from autoal.search.halves import Counts, HeldOut
from autoal.search.mixture import gmm_threshold, quantile_threshold
from autoal.search.networks import (
    Fetch,
    GlobalWeights,
    SearchNet,
    WeightOutput,
    prior_logits,
)
from autoal.search.objective import anchor_loss, budget_loss, search_loss
from autoal.search.options import SearchOptions
from autoal.search.scoring import OBJECTIVES, combine
from autoal.search.steps import REPORT_EVERY, Share, make_optimizer
from autoal.training.precision import Mixed

Source = GlobalWeights | SearchNet


@dataclass
class SearchLog:
    """Scalars of the steps.

    Attributes:
        values: By name, in the order of the steps.
    """

    values: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, name: str, value: Tensor) -> None:
        """Keep a scalar."""
        self.values.setdefault(name, []).append(value.detach())

    def means(self, last: int) -> dict[str, float]:
        """Return the mean of the last values of each name."""
        return {name: float(torch.stack(values[-last:]).mean()) for name, values in self.values.items()}


class Search:
    """One search phase on one held-out half.

    The networks read each other through two memories of the whole half: the score that SearchNet last gave a
    sample, and the loss that FitNet last had on it. So a step runs the network that it updates, and no other.

    Args:
        options: The pieces.
        half: What is searched on.
        source: SearchNet, or the global weight vector; changed in place.
        fitnet: Supplies losses, and trains along if ``options.alternate``.
        fetch: Inputs of SearchNet by sample id.
        prior: ``(K,)``.
        world: The processes that share the steps of the source.
        generator: Draws of the mixture's samples.
        counts: Counts forward passes.
        mixed: Makes the precision of each optimiser's steps.
    """

    def __init__(
        self,
        options: SearchOptions,
        half: HeldOut,
        source: Source,
        fitnet: FitNetTrainer | None,
        fetch: Fetch,
        prior: Tensor,
        world: World,
        generator: torch.Generator,
        counts: Counts,
        mixed: Callable[[], Mixed] = Mixed,
    ) -> None:
        self.options, self.half, self.source, self.fitnet = options, half, source, fitnet
        self.fetch, self.prior, self.world, self.generator, self.counts = fetch, prior, world, generator, counts
        self.nominated = half.votes.any(1)
        self.losses = half.losses.clone()
        self.sharing = Share.of(source, world)
        self.objective = OBJECTIVES[options.objective]
        weights = self.objective.weights(prior_logits(prior).expand(len(half), -1))
        # A threshold over the whole half: a small batch alone would make a coarse quantile.
        self.scores = combine(weights, half.votes)
        self.parameters = source.search_parameters()
        self.optimizer = make_optimizer(
            options.searchnet_optimizer, self.parameters, options.learning_rate, options.weight_decay
        )
        self.mixed, self.predictor_mixed = mixed(), mixed()
        module = source.loss_prediction if isinstance(source, SearchNet) else None
        self.predictor = module
        if module is not None:
            self.predictor_optimizer = make_optimizer(
                options.searchnet_optimizer, module.parameters(), options.loss_prediction_lr, options.weight_decay
            )
        self.log = SearchLog()
        self._threshold: float | None = None
        self._steps = 0

    @property
    def cycle(self) -> list[str]:
        """The networks in the order in which they take turns."""
        turns = ["fitnet"] if self.options.alternate and self.fitnet is not None else []
        return [*turns, "searchnet", *(["loss_prediction"] if self.predictor is not None else [])]

    def run(self, steps: int, progress: Progress | None = None) -> dict[str, float]:
        """Take ``steps`` optimiser steps, SearchNet on held-out batch n and FitNet on batch n + 1.

        Returns:
            Columns of the round's row.
        """
        batches = global_batches(len(self.half), self.options.batch_size, None)
        cycle = self.cycle
        pooled: list[Tensor] = []
        self.source.train()
        for step in range(steps):
            turn, place = divmod(step, len(cycle))
            rows = batches[turn % len(batches)]
            if cycle[place] == "fitnet":
                ahead = 1 if self.options.fitnet_batch == "next" else 0
                self.fitnet_step(batches[(turn + ahead) % len(batches)])
            elif cycle[place] == "searchnet":
                pooled = self.searchnet_step(rows)
            else:
                self.predictor_step(rows, pooled)
            if progress is not None and step % REPORT_EVERY == 0:
                progress(step, steps)
        return self.log.means(len(batches)) | self.summary()

    def weigh(self, rows: Tensor) -> WeightOutput:
        """Return the source's outputs for this rank's part of a batch."""
        ids = self.half.ids[self.sharing.world.shard(rows)]
        if isinstance(self.source, SearchNet):
            self.counts.images["searchnet"] += len(rows)
        return self.source.weigh(self.fetch, ids)

    def gates(self, scores: Tensor, rows: Tensor) -> Tensor:
        """Turn the scores of a batch into gates ``(B,)``."""
        temperature = self.options.temperature
        return self.objective.gates(scores, self.nominated[rows], self.scores, self.threshold, temperature)

    def threshold(self, scores: Tensor) -> float:
        """Return the level above which the wanted share of samples lies (Eq. 2-4)."""
        share = self.half.wanted / len(self.half)
        if self.options.threshold == "quantile":
            return quantile_threshold(scores, share)
        if self._threshold is None or self._steps % self.options.gmm_refit == 0:
            self._threshold = gmm_threshold(scores, share, self.options.gmm_components, self.generator)
        self._steps += 1
        return self._threshold

    def searchnet_loss(self, rows: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the whole loss of SearchNet on a batch, and its stage features for the next step.

        Args:
            rows: Rows of the held-out half, in any order.
        """
        options = self.options
        losses = self.losses[rows]
        with self.mixed.forward():
            out = self.weigh(rows)
        logits = self.sharing.whole(out.logits, len(rows)).float()
        weights = self.objective.weights(logits)
        scores = combine(weights, self.half.votes[rows])
        self.scores[rows] = scores.detach()
        gates = self.gates(scores, rows)
        expected = self.objective.expected(gates)
        wanted = self.half.wanted * len(rows) / len(self.half)
        value = search_loss(gates, losses, relative=self.objective.relative)
        self.log.add("search_loss", value)
        self.log.add("search_expected", expected)
        if options.anchor:
            anchor = anchor_loss(torch.softmax(logits, dim=1), self.prior)
            self.log.add("search_anchor", anchor)
            value = value + options.anchor * anchor
        if options.budget_penalty:
            value = value + options.budget_penalty * budget_loss(self.objective.count(gates), wanted)
        if out.predicted is not None and options.ranking:
            predicted = self.sharing.whole(out.predicted, len(rows)).float()
            value = value + options.ranking * ranking_loss(predicted, losses)
        return value, out.pooled

    def searchnet_step(self, rows: Tensor) -> list[Tensor]:
        """Update SearchNet on a batch (Eq. 8); returns its stage features, detached."""
        loss, pooled = self.searchnet_loss(rows)
        if loss.requires_grad:
            self.sharing.step(loss, self.parameters, self.optimizer, self.mixed)
        return pooled

    def predictor_step(self, rows: Tensor, pooled: list[Tensor]) -> None:
        """Update the loss-prediction module on the features and losses of SearchNet's last batch."""
        assert self.predictor is not None
        with self.predictor_mixed.forward():
            own = self.predictor(pooled)
        predicted = self.sharing.whole(own, len(rows)).float()
        loss = ranking_loss(predicted, self.losses[rows])
        self.log.add("search_ranking", loss)
        parameters = list(self.predictor.parameters())
        self.sharing.step(loss, parameters, self.predictor_optimizer, self.predictor_mixed)

    def fitnet_step(self, rows: Tensor) -> None:
        """Update FitNet on a batch gated by SearchNet (Eq. 7)."""
        assert self.fitnet is not None
        gates = self.gates(self.scores[rows], rows)
        loss, self.losses[rows] = self.fitnet.update(self.half.ids[rows], self.half.targets[rows], gates)
        self.log.add("search_fitnet_loss", loss)

    def summary(self) -> dict[str, float]:
        """Return how the search ended: counts, and held-out losses of the selected against the rest."""
        # Ties between scores are frequent; rows are in id order, so a stable sort breaks them by id.
        order = torch.sort(self.scores, descending=True, stable=True).indices
        chosen, rest = order[: self.half.wanted], order[self.half.wanted :]
        return {
            "search_wanted": float(self.half.wanted),
            "search_loss_selected": float(self.losses[chosen].mean()),
            "search_loss_rest": float(self.losses[rest].mean()) if len(rest) else 0.0,
        }
