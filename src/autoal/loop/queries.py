"""Asking the strategy: the pass over the pool, the context, the selection on which all ranks agree."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from autoal.loggers.base import BoughtBatch
from autoal.models.classifier import Classifier
from autoal.query.contract import PhaseFn, QueryContext, QueryStrategy, Selection
from autoal.query.interactive import AnswerFn
from autoal.query.truth import truth_of
from autoal.rng import generator, stream_seed
from autoal.training.inference import Needs, pool_pass
from autoal.training.precision import exact
from autoal.training.task import Task

Suggestions = dict[int, tuple[int, float]]
"""What the model takes samples for: id -> class and its probability."""


class Queries:
    """Asks a strategy for the next query batch.

    Args:
        strategy: Chooses the samples.
        n_query: How many.
        task: Pool, device and recipe.
        phase: Times and shows a phase.
    """

    def __init__(self, strategy: QueryStrategy, n_query: int, task: Task, phase: PhaseFn) -> None:
        self._strategy = strategy
        self._n_query = n_query
        self._task = task
        self._phase = phase
        self._predictions = torch.empty(0, dtype=torch.int64)
        self.suggestions: Suggestions = {}

    def ask(self, net: Classifier, answer: AnswerFn | None = None) -> Selection:
        """Run the pool through the network and let the strategy choose, in float32 at least.

        Args:
            net: The round's classifier.
            answer: Buys one label, for a strategy that asks inside a batch.
        """
        with exact(self._task.device, self._task.dtype):
            selection, logits = self._choose(net, self._task.data.pool.unlabelled, self._n_query, answer)
        self._predictions = logits.argmax(1).cpu()
        self.suggestions = _suggestions(selection, logits)
        # Ranks that choose each by themselves may be far apart.
        self._task.data.world.meet("the end of a query")
        # All ranks hold the same outputs and streams; rank 0's word rules out a difference of rounding.
        return self._task.data.world.broadcast(selection)

    def spares(self, net: Classifier, selection: Selection, n: int) -> Selection | None:
        """Choose samples that may take the place of some of a selection: the strategy's choice among the rest.

        What the strategy remembers is left as if nobody had asked. A strategy that takes part in training is not
        asked a second time; its spares are drawn at random.
        """
        pool = self._task.data.pool.unlabelled
        rest = pool[~torch.isin(pool, selection.ids)]
        n = min(n, len(rest))
        if not n:
            return None
        if self._strategy.needs_experiment:
            order = torch.randperm(
                len(rest), generator=generator(self._task.seed, "spares", self._task.data.round)
            )
            return Selection(rest[order[:n]], torch.full((n,), torch.nan, dtype=torch.float64), {})
        state = copy.deepcopy(self._strategy.state_dict())
        with exact(self._task.device, self._task.dtype):
            spares, logits = self._choose(net, rest, n)
        self._strategy.load_state_dict(state)
        self.suggestions |= _suggestions(spares, logits)
        return self._task.data.world.broadcast(spares)

    def _choose(
        self, net: Classifier, pool: Tensor, n: int, answer: AnswerFn | None = None
    ) -> tuple[Selection, Tensor]:
        """Return the strategy's choice among some of the pool, and the logits of what it chose."""
        data, needs, seed = self._task.data, self._strategy.needs, self._task.seed
        with self._phase("pool") as progress:
            mc_key = stream_seed(seed, "mc", data.round)
            unlabelled = pool_pass(net, data, pool, needs, mc_key, progress=progress)
            labelled_ids = data.pool.labelled
            labelled = (
                pool_pass(net, data, labelled_ids, Needs(embeddings=True), mc_key) if needs.labelled else None
            )
        context = QueryContext(
            unlabelled=unlabelled,
            labelled=labelled,
            labelled_ids=labelled_ids,
            labelled_targets=data.pool.labels(labelled_ids),
            n_classes=data.dataset.info.n_classes,
            net=net,
            inputs=self._inputs,
            seed=seed,
            stream=("strategy", data.round),
            round=data.round,
            phase=self._phase,
            task=self._task,
            static=data.static,
            answer=answer if self._strategy.interactive else None,
            truth=truth_of(data) if self._strategy.reads_truth else None,
        )
        with self._phase("select"):
            selection = self._strategy.query(context, n)
        rows = torch.searchsorted(unlabelled.ids, selection.ids)
        return selection, unlabelled.logits[rows.to(unlabelled.logits.device)]

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`bought` needs of a selection that people are still asked about."""
        return {"predictions": self._predictions}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._predictions = state["predictions"]

    def bought(self, selection: Selection) -> BoughtBatch:
        """Describe what was bought of a selection just made, with what the network took it for."""
        data = self._task.data
        # Labels that were bought before a kill are kept, so a few picks of a repeated query may not be bought.
        bought = torch.isin(selection.ids, data.pool.labelled)
        return BoughtBatch(
            round=data.round + 1,
            ids=selection.ids[bought],
            labels=data.pool.labels(selection.ids[bought]),
            predictions=self._predictions[bought],
            scores=selection.scores[bought],
            images=lambda ids: data.split("train").source.fetch(ids).cpu(),
        )

    def _inputs(self, ids: Tensor) -> Tensor:
        raw = self._task.data.split("train").source.fetch(ids).to(self._task.device)
        return self._task.data.transform.eval(raw, self._task.dtype)


def _suggestions(selection: Selection, logits: Tensor) -> Suggestions:
    prob, label = torch.softmax(logits.double(), dim=1).max(1)
    return dict(zip(selection.ids.tolist(), zip(label.tolist(), prob.tolist(), strict=True), strict=True))
