"""Buying labels: the ledger first, then the pool, and never twice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.loop.settings import LoopConfig
from autoal.query.interactive import Answer, AnswerFn
from autoal.rng import generator
from autoal.rundir.ledger import Ledger, Purchase

log = logging.getLogger(__name__)

VALIDATION_STRATEGY = "random"
"""What the ledger calls the choice of validation labels."""


class Purchases:
    """Moves samples from the unlabelled pool to the labelled one, by way of oracle and ledger.

    Every rank buys the same samples; rank 0 alone writes the ledger.

    Args:
        data: Pool, oracle and this rank's place.
        ledger: Where each label is written before the pool moves.
        loop: Sizes of the initial set and of a query.
        strategy: Name of what chooses the queries.
    """

    def __init__(self, data: ActiveLearningDataModule, ledger: Ledger, loop: LoopConfig, strategy: str) -> None:
        self._data = data
        self._ledger = ledger
        self._loop = loop
        self._strategy = strategy
        self._ahead: dict[int, list[Purchase]] = {}

    def reconcile(self) -> int:
        """Compare the ledger with loop, oracle and pool; returns how many labels the pool holds.

        Every line is compared: its round, source and strategy follow from its number, its label is the oracle's,
        and the pool of the checkpoint holds it. Labels that the ledger has ahead of the pool were bought before
        a kill; they are kept for their round.

        Raises:
            AutoALError: If the ledger lacks labels that the pool has, or a line does not fit, naming it.
        """
        pool, path, world = self._data.pool, self._ledger.path, self._data.world
        purchases = world.broadcast(self._ledger.read() if world.is_main else [])
        known = len(pool.labelled) + len(pool.validation)
        if len(purchases) < known:
            raise AutoALError(f"{path} holds {len(purchases)} labels, but the checkpoint's pool {known}")
        for number, purchase in enumerate(purchases, 1):
            self._check_place(number, purchase)
        self._check_labels(purchases, known)
        self._ahead = {}
        for purchase in purchases[known:]:
            self._ahead.setdefault(purchase.round, []).append(purchase)
        return known

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
        loop = self._loop
        if number <= loop.n_val:
            return 0, "val", VALIDATION_STRATEGY
        if number <= loop.n_val + loop.n_init:
            return 0, "init", loop.init
        round_ = 1 + (number - loop.n_val - loop.n_init - 1) // loop.n_query
        if round_ > loop.n_rounds:
            raise AutoALError(f"{self._ledger.path} line {number} is beyond the budget of this run")
        return round_, "query", self._strategy

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
        held[torch.cat([pool.labelled, pool.validation])] = True
        self._refuse(
            ids, held[ids] != (torch.arange(len(ids)) < known), "is not where the checkpoint's pool has it"
        )
        of_val = torch.tensor([p.source == "val" for p in purchases[:known]], dtype=torch.bool)
        wrong = torch.isin(ids[:known], pool.validation) != of_val
        self._refuse(ids[:known], wrong, "is not where the checkpoint's pool has it")
        self._refuse(
            ids[:known], pool.labels(ids[:known]) != labels[:known], "has another label in the checkpoint"
        )

    def _refuse(self, ids: Tensor, wrong: Tensor, why: str) -> None:
        if wrong.any():
            line = int(wrong.nonzero()[0])
            raise AutoALError(f"{self._ledger.path} line {line + 1}: sample {int(ids[line])} {why}")

    def buy_initial(self) -> None:
        """Buy the validation labels, if there are to be any, and the initial set."""
        pool, loop, seed = self._data.pool, self._loop, self._data.seed
        if loop.n_val:
            order = torch.randperm(len(pool.unlabelled), generator=generator(seed, "validation"))
            self.buy(0, pool.unlabelled[order[: loop.n_val]], None, "val", VALIDATION_STRATEGY)
        candidates = pool.unlabelled
        rng = generator(seed, "initial_set")
        if loop.init == "class_balanced":
            ids = self._data.oracle.draw_class_balanced(candidates, loop.n_init, rng)
        else:
            ids = candidates[torch.randperm(len(candidates), generator=rng)[: loop.n_init]]
        self.buy(0, ids, None, "init", loop.init)

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
            self._ledger.append(round_, [id_], [label], self._strategy, [score], "query")
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
            wanted = [score.get(i) for i in fresh.tolist()]
            self._ledger.append(round_, fresh.tolist(), labels.tolist(), strategy, wanted, source)
        pool.add(bought, torch.tensor([p.label for p in done], dtype=torch.int64), validation=source == "val")
        pool.add(fresh, labels, validation=source == "val")
