"""Buying labels from people: a query is written and the run ends; the next part of the run takes the answers."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.humans.journal import Journal
from autoal.humans.queries import Asked, Query, name_of
from autoal.humans.session import Session
from autoal.humans.standing import Answer, Standing, current, effort, outcome, standing
from autoal.humans.waiting import People, Waiting
from autoal.loop.purchases import Choice, Purchases
from autoal.loop.queries import Suggestions
from autoal.loop.settings import LoopConfig
from autoal.query.contract import Selection
from autoal.rng import generator
from autoal.rundir.ledger import Ledger, Purchase
from autoal.rundir.names import DECISIONS

log = logging.getLogger(__name__)


class PeoplePurchases(Purchases):
    """Purchases that people answer. Only rank 0 reads and writes their files.

    Args:
        data: Pool, oracle and this rank's place.
        ledger: Where each label is written before the pool moves.
        loop: Sizes of the initial set and of a query.
        strategy: Name of what chooses the queries.
        n_test: Test labels that are asked for at the start.
        session: Desk, items and settings.
    """

    def __init__(
        self,
        data: ActiveLearningDataModule,
        ledger: Ledger,
        loop: LoopConfig,
        strategy: str,
        n_test: int,
        session: Session,
    ) -> None:
        super().__init__(data, ledger, loop, strategy, n_test)
        self._session = session
        self._desk = session.desk
        self._revisions = Journal(session.run_dir / DECISIONS)
        self.n_spares = math.ceil(session.oracle.spare * loop.n_query)
        self._queries: dict[int, Query] = {}
        self._answers: list[dict[str, Any]] = []
        assert isinstance(data.oracle, People)
        self._oracle: People = data.oracle

    # --- what has been bought --------------------------------------------------------------------------

    def _recorded(self) -> list[Purchase]:
        """Return the ledger's lines with the labels that count in this round, and tell the oracle."""
        purchases = super()._recorded()
        self._load()
        self._readmit()
        revised: dict[int, int] = {}
        if self._data.world.is_main:
            revised = {
                r["item"]: r["label"] for r in self._revisions.read() if r["from_round"] <= self._data.round
            }
        revised = self._data.world.broadcast(revised)
        purchases = [p._replace(label=revised.get(p.id, p.label)) for p in purchases]
        inside = [p for p in purchases if p.id < len(self._data.pool)]
        self._oracle.learn(
            torch.tensor([p.id for p in inside], dtype=torch.int64),
            torch.tensor([p.label for p in inside], dtype=torch.int64),
        )
        return purchases

    def _check_place(self, number: int, purchase: Purchase) -> None:
        """Compare a line with the queries: its sample was asked for, for this round and this purpose."""
        if purchase.source == "init" and purchase.strategy == "labelled":
            return
        query = self._queries.get(purchase.round)
        asked = () if query is None else query.items
        if not any(a.item == purchase.id and a.kind == purchase.source for a in asked):
            where = f"{self._ledger.path} line {number}"
            raise AutoALError(f"{where}: sample {purchase.id} was not asked for in round {purchase.round}")

    def _load(self) -> None:
        """Read queries and answers."""
        read: tuple[dict[int, Query], list[dict[str, Any]]] = ({}, [])
        if self._data.world.is_main:
            read = {query.round: query for query in self._desk.queries()}, self._desk.answers()
        self._queries, self._answers = self._data.world.broadcast(read)

    def _readmit(self) -> None:
        """Put what was skipped once and is no skip any more back into the pool."""
        said = current(self._answers)
        again = [
            asked.item
            for query in self._queries.values()
            if query.round <= self._data.round
            for asked in query.items
            if outcome(said.get(asked.id, {}), query.overlap, query.min_agree).state != "skip"
        ]
        self._data.pool.readmit(torch.tensor(again, dtype=torch.int64))

    # --- asking ----------------------------------------------------------------------------------------

    def _free(self) -> Tensor:
        """Return the samples that nobody has labelled yet."""
        free = super()._free()
        return free[~self._oracle.labelled_before[free]]

    def buy_initial(self) -> None:
        """Ask for test, validation and initial labels; buy them once they are there.

        Raises:
            Waiting: As long as they are not.
        """
        before = self._oracle.labelled_before.nonzero().squeeze(1)
        choices = [c for c in self.initial() if c.source != "init" or self._loop.init != "labelled"]
        self._load()
        if choices and 0 not in self._queries:
            self._write(0, self._initial_items(choices), "random")
        if choices:
            said = self._answered(0)
            for choice in choices:
                self._buy_taken(said, choice.source, choice.strategy)
        if self._loop.init == "labelled":
            super().buy(0, before, None, "init", "labelled")
        if not len(self._data.pool.labelled):
            raise AutoALError(
                f"{self._session.run_dir}: no image of the initial set was labelled, so nothing can be trained"
            )

    def _initial_items(self, choices: Sequence[Choice]) -> list[Asked]:
        free = self._free()
        rest = free[~torch.isin(free, torch.cat([c.ids for c in choices]))]
        spares = rest[torch.randperm(len(rest), generator=generator(self._data.seed, "spares"))].tolist()
        items: list[Asked] = []
        for choice in choices:
            n = math.ceil(self._session.oracle.spare * len(choice.ids))
            own, spares = spares[:n], spares[n:]
            for spare, ids in ((False, choice.ids.tolist()), (True, own)):
                items += [self._asked(i, choice.source, spare=spare) for i in ids]
        return items

    def _asked(self, i: int, kind: str, spare: bool, **model: Any) -> Asked:
        items = self._session.items
        sha = "" if items is None else items.items[i].sha256
        return Asked(self._data.split("train").names[i], i, kind, sha, rank=0, spare=spare, **model)

    def ask(self, round_: int, selection: Selection, spares: Selection | None, said: Suggestions) -> bool:
        """Write the query of a round, unless an earlier part of the run has written it.

        Returns:
            Whether people are asked: the loop then saves before it waits.
        """
        self._load()
        items = []
        classes = self._data.dataset.info.class_names
        for spare, part in ((False, selection), (True, spares)):
            if part is None:
                continue
            for i, score in zip(part.ids.tolist(), part.scores.tolist(), strict=True):
                label, prob = said.get(i, (None, None))
                suggestion = None if label is None else classes[label]
                finite = score if math.isfinite(score) else None
                items.append(
                    self._asked(i, "query", spare, score=finite, suggestion=suggestion, prob=prob),
                )
        there = self._queries.get(round_)
        if there is None:
            self._write(round_, items, self._strategy)
        elif [a.item for a in there.items] != [a.item for a in items]:
            log.warning("round %d: the repeated query chose other samples; what people were asked counts", round_)
        return True

    def _write(self, round_: int, items: Sequence[Asked], strategy: str) -> None:
        oracle, world = self._session.oracle, self._data.world
        if world.is_main:
            run = self._session.items.run if self._session.items is not None else ""
            ranked = [Asked(**{**vars(a), "rank": rank}) for rank, a in enumerate(items)]
            wanted: dict[str, int] = {}
            for asked in ranked:
                wanted[asked.kind] = wanted.get(asked.kind, 0) + (not asked.spare)
            Query(
                run,
                name_of(run, round_, ranked),
                round_,
                strategy,
                self._data.dataset.info.class_names,
                wanted,
                oracle.overlap,
                oracle.min_agree or oracle.overlap,
                tuple(ranked),
            ).write(self._session.run_dir)
        self._load()

    # --- taking answers --------------------------------------------------------------------------------

    def buy(self, round_: int, ids: Tensor, scores: Tensor | None, source: str, strategy: str) -> None:
        """Buy what people have labelled of a round's query.

        Raises:
            Waiting: If they have not answered it all.
        """
        said = self._answered(round_)
        self._revise(round_)
        self._buy_taken(said, source, strategy)

    def _answered(self, round_: int) -> Standing:
        """Return a query's standing once it is complete."""
        self._load()
        found = standing(self._queries[round_], self._answers)
        if not found.complete:
            raise Waiting(found.query.query, found.wanted, found.missing)
        return found

    def _buy_taken(self, said: Standing, source: str, strategy: str) -> None:
        pairs = [(asked, label) for asked, label in said.taken if asked.kind == source]
        wanted = said.query.wanted.get(source, 0)
        if len(pairs) < wanted and self._data.world.is_main:
            log.warning(
                "query %s: %d of %d %s labels; the rest was skipped", said.query.query, len(pairs), wanted, source
            )
        ids = torch.tensor([asked.item for asked, _ in pairs], dtype=torch.int64)
        labels = torch.tensor([said.query.classes.index(label) for _, label in pairs], dtype=torch.int64)
        self._oracle.learn(ids, labels)
        given = [asked.score for asked, _ in pairs]
        scores = None
        if any(score is not None for score in given):
            scores = torch.tensor([math.nan if s is None else s for s in given], dtype=torch.float64)
        super().buy(said.query.round, ids, scores, source, strategy)
        skipped = [asked.item for asked in said.skipped if asked.kind == source]
        self._data.pool.exclude(torch.tensor(skipped, dtype=torch.int64))

    def _revise(self, round_: int) -> None:
        """Correct bought labels that people have changed since; from this round on they count."""
        pool, said = self._data.pool, current(self._answers)
        lines: list[dict[str, Any]] = []
        for query in self._queries.values():
            for asked in query.items:
                one = self._outcome(query, asked, said)
                if one is None or not _is_bought(pool, asked.item):
                    continue
                new, old = query.classes.index(one), int(pool.labels(torch.tensor([asked.item]))[0])
                if new != old:
                    pool.relabel(torch.tensor([asked.item]), torch.tensor([new]))
                    self._oracle.learn(torch.tensor([asked.item]), torch.tensor([new]))
                    lines.append({"id": asked.id, "item": asked.item, "label": new, "class": one, "before": old})
        if lines and self._data.world.is_main:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            log.info("round %d: %d labels were corrected", round_, len(lines))
            self._revisions.append(
                lambda there: [
                    {**line, "from_round": round_, "time": now}
                    for line in lines
                    if not any(t["item"] == line["item"] and t["from_round"] == round_ for t in there)
                ]
            )

    @staticmethod
    def _outcome(query: Query, asked: Asked, said: dict[str, dict[str, Answer]]) -> str | None:
        return outcome(said.get(asked.id, {}), query.overlap, query.min_agree).label

    def effort(self, round_: int) -> dict[str, float]:
        """Return what the labels that a round was the first to train on have cost people."""
        query = self._queries.get(round_)
        return {} if query is None else effort(query, self._answers)


def _is_bought(pool: Any, item: int) -> bool:
    return any(bool((part == item).any()) for part in (pool.labelled, pool.validation, pool.test))
