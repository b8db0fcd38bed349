"""Buying labels: the ledger first, then the pool, and never twice."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.loop.cold_start import COLD_STARTS, cold_start
from autoal.loop.queries import Suggestions
from autoal.loop.settings import LoopConfig
from autoal.query.contract import Selection
from autoal.query.interactive import Answer, AnswerFn
from autoal.rng import generator
from autoal.rundir.ledger import Ledger, Purchase

log = logging.getLogger(__name__)

VALIDATION_STRATEGY = "random"
"""What the ledger calls the choice of validation and of test labels."""


@dataclass(frozen=True)
class Choice:
    """A part of the initial purchase.

    Attributes:
        source: What the labels are for, as in the ledger.
        strategy: What chose them, as in the ledger.
        ids: The samples, in order of choice ``(n,)``.
    """

    source: str
    strategy: str
    ids: Tensor


class Purchases:
    """Moves samples from the unlabelled pool to the labelled one, by way of oracle and ledger.

    Every rank buys the same samples; only rank 0 writes the ledger.

    Args:
        data: Pool, oracle and this rank's place.
        ledger: Where each label is written before the pool moves.
        loop: Sizes of the initial set and of a query.
        strategy: Name of what chooses the queries.
        n_test: Test labels that are bought at the start.
    """

    n_spares = 0
    """Samples that a query names beyond its size, for those that nobody can label."""

    def __init__(
        self, data: ActiveLearningDataModule, ledger: Ledger, loop: LoopConfig, strategy: str, n_test: int = 0
    ) -> None:
        self._data = data
        self._ledger = ledger
        self._loop = loop
        self._strategy = strategy
        self._n_test = n_test
        self._ahead: dict[int, list[Purchase]] = {}

    def reconcile(self) -> int:
        """Compare the ledger with loop, oracle and pool; returns how many labels the pool holds.

        Every line is compared: its round, source and strategy follow from its number, its label is the oracle's,
        and the pool of the checkpoint holds it. Labels that the ledger has ahead of the pool were bought before
        a kill; they are kept for their round.

        Raises:
            AutoALError: If the ledger lacks labels that the pool has, or a line does not fit, naming it.
        """
        pool, path = self._data.pool, self._ledger.path
        purchases = self._recorded()
        known = pool.n_bought
        if len(purchases) < known:
            raise AutoALError(f"{path} holds {len(purchases)} labels, but the checkpoint's pool {known}")
        for number, purchase in enumerate(purchases, 1):
            self._check_place(number, purchase)
        self._check_items(purchases)
        self._check_labels(purchases, known)
        self._ahead = {}
        for purchase in purchases[known:]:
            self._ahead.setdefault(purchase.round, []).append(purchase)
        return known

    def _recorded(self) -> list[Purchase]:
        """Return the ledger's lines, on every rank."""
        return self._data.world.broadcast(self._ledger.read() if self._data.world.is_main else [])

    def _check_place(self, number: int, purchase: Purchase) -> None:
        """Compare what is written in a line beside sample and label with what the loop writes there."""
        round_, source, strategy = self._place(number)
        for name, said, right in (
            ("round", purchase.round, round_),
            ("source", purchase.source, source),
            ("strategy", purchase.strategy, strategy),
        ):
            if said != right:
                raise AutoALError(
                    f"{self._ledger.path} line {number}: {name} {said!r} does not fit this run, which buys "
                    f"{right!r} there"
                )

    def _place(self, number: int) -> tuple[int, str, str]:
        """Return round, source and strategy of a line, counted from 1."""
        loop, line = self._loop, number
        if number <= self._n_test:
            return 0, "test", VALIDATION_STRATEGY
        number -= self._n_test
        if number <= loop.n_val:
            return 0, "val", VALIDATION_STRATEGY
        if number <= loop.n_val + loop.n_init:
            return 0, "init", loop.init
        round_ = 1 + (number - loop.n_val - loop.n_init - 1) // loop.n_query
        if round_ > loop.n_rounds:
            raise AutoALError(f"{self._ledger.path} line {line} is beyond the budget of this run")
        return round_, "query", self._strategy

    def _check_items(self, purchases: Sequence[Purchase]) -> None:
        """Compare the files of the samples with those that were bought."""
        names = self._data.split("train").names
        for number, purchase in enumerate(purchases, 1):
            if names and purchase.path is not None and purchase.id < len(names):
                own = names[purchase.id]
                if own != purchase.path:
                    where = f"{self._ledger.path} line {number}"
                    raise AutoALError(f"{where}: sample {purchase.id} was {purchase.path} and is {own} now")

    def _check_labels(self, purchases: Sequence[Purchase], known: int) -> None:
        """Compare samples and labels with the oracle, which sold them, and with the pool."""
        pool, oracle = self._data.pool, self._data.oracle
        ids = torch.tensor([p.id for p in purchases], dtype=torch.int64)
        labels = torch.tensor([p.label for p in purchases], dtype=torch.int64)
        self._refuse(ids, ids >= len(pool), f"is outside the pool of {len(pool)} samples")
        right = oracle.known()[ids]
        self._refuse(ids, ~right, "has no label for sale")
        self._refuse(ids, oracle.buy(ids) != labels, "has another label in the data set")
        held = torch.zeros(len(pool), dtype=torch.bool)
        held[torch.cat([pool.labelled, pool.validation, pool.test])] = True
        self._refuse(
            ids, held[ids] != (torch.arange(len(ids)) < known), "is not where the checkpoint's pool has it"
        )
        for part, members in (("val", pool.validation), ("test", pool.test)):
            said = torch.tensor([p.source == part for p in purchases[:known]], dtype=torch.bool)
            wrong = torch.isin(ids[:known], members) != said
            self._refuse(ids[:known], wrong, "is not where the checkpoint's pool has it")
        self._refuse(
            ids[:known], pool.labels(ids[:known]) != labels[:known], "has another label in the checkpoint"
        )

    def _refuse(self, ids: Tensor, wrong: Tensor, why: str) -> None:
        if wrong.any():
            line = int(wrong.nonzero()[0])
            raise AutoALError(f"{self._ledger.path} line {line + 1}: sample {int(ids[line])} {why}")

    def buy_initial(self) -> None:
        """Buy the test and validation labels, if there are to be any, and the initial set."""
        for choice in self.initial():
            self.buy(0, choice.ids, None, choice.source, choice.strategy)

    def initial(self) -> list[Choice]:
        """Choose what is bought before the first round, without buying it."""
        loop, seed = self._loop, self._data.seed
        free = self._free()
        choices = []
        for source, n, stream in (("test", self._n_test, "test_set"), ("val", loop.n_val, "validation")):
            if n:
                ids = free[torch.randperm(len(free), generator=generator(seed, stream))[:n]]
                choices.append(Choice(source, VALIDATION_STRATEGY, ids))
                free = free[~torch.isin(free, ids)]
        rng = generator(seed, "initial_set")
        if loop.init == "class_balanced":
            ids = self._data.oracle.draw_class_balanced(free, loop.n_init, rng)
        elif loop.init in COLD_STARTS:
            ids = cold_start(self._data, loop.init, free, loop.n_init, rng)
        else:
            ids = free[torch.randperm(len(free), generator=rng)[: loop.n_init]]
        return [*choices, Choice("init", loop.init, ids)]

    def _free(self) -> Tensor:
        """Return the samples that the initial purchase chooses from."""
        return self._data.pool.unlabelled

    def ask(self, round_: int, selection: Selection, spares: Selection | None, said: Suggestions) -> bool:
        """Put a query to people.

        Args:
            round_: The round that will train on the labels first.
            selection: The query.
            spares: What is asked in place of samples that nobody can label.
            said: What the model takes the samples for.

        Returns:
            Whether there are people to ask; a simulated oracle answers at once.
        """
        return False

    def effort(self, round_: int) -> dict[str, float]:
        """Return columns of a round's row that say what its labels have cost people."""
        return {}

    def answerer(self, round_: int) -> AnswerFn:
        """Return what buys labels one by one while a batch is made, for :meth:`buy` to move into the pool.

        What the ledger already holds of the round (the process was killed inside the batch) is told again in its
        order and not bought again.

        Args:
            round_: The round that trains on these labels first.
        """
        told = count()
        bought = self._ahead.setdefault(round_, [])

        def answer(id_: int, score: float) -> Answer:
            # Ranks agree on the sample before anything is paid: a difference of rounding must not split them.
            id_, score = self._data.world.broadcast((id_, score))
            place = next(told)
            if place == len(bought):
                bought.append(self._buy_one(round_, id_, score, bought))
            elif bought[place].id != id_ and self._data.world.is_main:
                log.warning("round %d: the repeated query asked for sample %d; the ledger counts", round_, id_)
            return Answer(bought[place].id, bought[place].label)

        return answer

    def _buy_one(self, round_: int, id_: int, score: float, bought: Sequence[Purchase]) -> Purchase:
        wanted = self._data.pool.check_buyable([id_])
        if any(p.id == id_ for p in bought):
            raise AutoALError(f"id {id_} stands more than once in one query")
        label = int(self._data.oracle.buy(wanted)[0])
        if self._data.world.is_main:
            self._record(round_, [id_], [label], self._strategy, [score], "query")
        return Purchase(round_, id_, label, self._strategy, score, "query", "")

    def buy(self, round_: int, ids: Tensor, scores: Tensor | None, source: str, strategy: str) -> None:
        """Buy labels: ledger, then pool.

        Labels that the ledger already holds for this purchase (the process was killed between buying and
        saving) are taken as they stand and never bought twice.
        """
        pool = self._data.pool
        done = [p for p in self._ahead.get(round_, []) if p.source == source]
        bought = torch.tensor([p.id for p in done], dtype=torch.int64)
        if self._data.world.is_main and not torch.isin(bought, ids).all():
            log.warning(
                "round %d: the repeated query chose other samples than the ledger holds; the ledger counts, and "
                "from here on the run differs from an undisturbed one",
                round_,
            )
        fresh = ids[~torch.isin(ids, bought)][: len(ids) - len(done)]
        fresh = pool.check_buyable(fresh)
        labels = self._data.oracle.buy(fresh)
        if self._data.world.is_main and len(fresh):
            score = {} if scores is None else dict(zip(ids.tolist(), scores.tolist(), strict=True))
            wanted = [None if (s := score.get(i)) is None or math.isnan(s) else s for i in fresh.tolist()]
            self._record(round_, fresh.tolist(), labels.tolist(), strategy, wanted, source)
        part = {"validation": source == "val", "test": source == "test"}
        pool.add(bought, torch.tensor([p.label for p in done], dtype=torch.int64), **part)
        pool.add(fresh, labels, **part)

    def _record(
        self,
        round_: int,
        ids: list[int],
        labels: list[int],
        strategy: str,
        scores: list[float | None],
        source: str,
    ) -> None:
        """Write purchases into the ledger, with the samples' files and the names of their classes."""
        names, classes = self._data.split("train").names, self._data.dataset.info.class_names
        paths = [names[i] for i in ids] if names else ()
        self._ledger.append(
            round_, ids, labels, strategy, scores, source, paths, [classes[c] for c in labels] if classes else ()
        )
