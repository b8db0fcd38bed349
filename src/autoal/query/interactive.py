"""Strategies that steer by labels inside a batch: they ask the oracle sample by sample."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol

import torch

from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy


class Answer(NamedTuple):
    """What the oracle sold.

    Attributes:
        id: The sample: the one that was asked for, unless another was bought at this place before the process was
            killed. What the ledger holds counts.
        label: Its class.
    """

    id: int
    label: int


AnswerFn = Callable[[int, float], Answer]
"""``answer(id, score)``: buys one label, at once and on every rank; it is in the ledger before it is told."""


class Steering(Protocol):
    """One batch while it grows."""

    def propose(self) -> tuple[int, float]:
        """Return the row of the unlabelled pool that is wanted next, and its score."""

    def learn(self, row: int, label: int) -> None:
        """Take notice of a label just bought."""

    def log(self) -> dict[str, float]:
        """Return named scalars for the round's row."""


class InteractiveStrategy(QueryStrategy):
    """Base of strategies whose next pick depends on the label of the one before, without training in between.

    Each pick is bought as it is made: charged, written to the ledger as a line of its own, and kept if the process
    is killed inside the batch; the resumed query is told the same labels again and goes on from there. It needs an
    oracle that answers at once, and is nobody's candidate: asking it costs labels.
    """

    interactive: ClassVar[bool] = True

    @property
    def needs_experiment(self) -> bool:
        """It buys labels."""
        return True

    @abstractmethod
    def start(self, ctx: QueryContext, n: int) -> Steering:
        """Begin a batch of n picks."""

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Propose, buy and learn, n times.

        Raises:
            RuntimeError: If there is nobody to ask.
        """
        if ctx.answer is None:
            raise RuntimeError(f"strategy {self.name} asks for labels inside a batch, and nobody is there to ask")
        steering = self.start(ctx, n)
        ids = ctx.unlabelled.ids
        rows, scores = [], []
        with ctx.phase("pick") as progress:
            for k in range(n):
                wanted, score = steering.propose()
                answer = ctx.answer(int(ids[wanted]), score)
                row = int(torch.searchsorted(ids, answer.id))
                steering.learn(row, answer.label)
                rows.append(row)
                scores.append(score)
                progress(k + 1, n)
        return Picks(torch.tensor(rows), torch.tensor(scores, dtype=torch.float64), steering.log())
