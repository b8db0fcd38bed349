"""What the labelling page shows and takes: one annotator's view of the items, without anything of HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoal.errors import AutoALError
from autoal.humans.answers import stamp_of
from autoal.humans.place import Place
from autoal.humans.queries import Asked, Query
from autoal.humans.standing import Outcome, Standing, current, standing
from autoal.humans.stopping import advice, trend
from autoal.rundir import names
from autoal.rundir.predictions import Predictions

LEASE = 600.0
"""Seconds that an item which one annotator looks at is kept from the others."""

MODES = ("label", "review", "disputed")


@dataclass
class Board:
    """The items that annotators work on.

    Attributes:
        place: The run.
        mode: ``"label"``: the open query; ``"review"``: what is labelled, the least likely labels first;
            ``"disputed"``: items on which annotators differ.
        suggest: Whether the model's suggestion is shown.
        clock: Gives seconds.
    """

    place: Place
    mode: str = "label"
    suggest: bool = False
    clock: Callable[[], float] = time.monotonic
    _leases: dict[str, tuple[str, float]] = field(default_factory=dict)
    _advised: tuple[int, str | None] = (0, None)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self, annotator: str) -> dict[str, Any]:
        """Return everything that an annotator's page needs to know.

        Args:
            annotator: Who looks.
        """
        answers = self.place.desk.answers()
        said = current(answers)
        standings = [standing(query, answers) for query in self.place.desk.queries()]
        if not standings:
            return {"query": None, "items": [], "classes": [], "mode": self.mode, "annotator": annotator}
        last = standings[-1]
        items = [
            self._item(s.query, a, said.get(a.id, {}), annotator, s.outcomes.get(a.id))
            for s, a in self._shown(standings)
        ]
        return {
            "query": last.query.query,
            "round": last.query.round,
            "overlap": last.query.overlap,
            "classes": list(last.query.classes),
            "annotator": annotator,
            "mode": self.mode,
            "suggest": self.suggest,
            "items": items,
            "complete": last.complete,
            "labelled": len(last.taken),
            "wanted": last.wanted,
            "skipped": len(last.skipped),
            "disputed": len(last.disputed),
            "advice": self._advice(),
        }

    def _advice(self) -> str | None:
        """Return whether more labels seem worth it; None where it is too early to say, or can't be told."""
        try:
            seen = (self.place.run_dir / names.PREDICTIONS).stat().st_mtime_ns
            if seen != self._advised[0]:
                predictions = Predictions.read(self.place.run_dir)
                found = None if predictions is None else trend(predictions)
                self._advised = seen, None if found is None else advice(found)
        except (OSError, AutoALError):
            return None  # nobody is kept from labelling by it
        return self._advised[1]

    def _shown(self, standings: list[Standing]) -> list[tuple[Standing, Asked]]:
        if self.mode == "label":
            return [(standings[-1], asked) for asked in standings[-1].needed()]
        every = [(s, asked) for s in standings for asked in s.needed()]
        if self.mode == "disputed":
            # Those that are decided stay on the page, so that one can look back at them.
            return [(s, a) for s, a in every if len(set(s.outcomes[a.id].votes.values())) > 1]
        labelled = [(s, a) for s, a in every if s.outcomes[a.id].state == "label"]
        return sorted(labelled, key=lambda pair: -_doubt(pair[1], pair[0].outcomes[pair[1].id]))

    def _item(
        self, query: Query, asked: Asked, said: Mapping[str, Any], annotator: str, one: Outcome | None
    ) -> dict[str, Any]:
        mine = said.get(annotator)
        shown: dict[str, Any] = {
            "key": f"{query.round}/{asked.rank}",
            "id": asked.id,
            "mine": None if mine is None else _short(mine),
            "stamp": stamp_of(mine),
            "state": "open" if one is None else one.state,
            "settled": None if one is None else one.label,
            "others": sorted({v or "(skipped)" for who, v in one.votes.items() if who != annotator})
            if one
            else [],
        }
        if self.mode == "label":
            # What others said would lead; that they have answered is all that counts here.
            shown["others"], shown["settled"] = len(shown["others"]), None
        if self.suggest and asked.suggestion is not None:
            shown |= {"suggestion": asked.suggestion, "prob": asked.prob}
        return shown

    def find(self, key: str) -> tuple[Query, Asked] | None:
        """Return the item of a key ``"<round>/<rank>"``; None if there is none."""
        round_, _, rank = key.partition("/")
        if not (round_.isdecimal() and rank.isdecimal()):
            return None
        for query in self.place.desk.queries():
            if query.round == int(round_) and int(rank) < len(query.items):
                return query, query.items[int(rank)]
        return None

    def lease(self, key: str, annotator: str) -> str | None:
        """Keep an item from the others for a while; returns who has it already, or None.

        Several annotators per item, and whoever reviews, are in nobody's way.
        """
        found = self.find(key)
        if found is None or found[0].overlap > 1 or self.mode != "label":
            return None
        with self._lock:
            who, until = self._leases.get(key, ("", 0.0))
            if who not in ("", annotator) and until > self.clock():
                return who
            self._leases = {k: v for k, v in self._leases.items() if v[0] != annotator}
            self._leases[key] = (annotator, self.clock() + LEASE)
        return None

    def answer(self, given: Mapping[str, Any], annotator: str) -> dict[str, Any]:
        """Take one answer; it is on disk when this returns.

        Args:
            given: ``key``, ``action``, ``label``, ``reason``, ``seconds``, ``external`` (a key that a repeated
                message has again) and ``expects`` (the stamp of the answer that the page knows).
            annotator: Who answers.

        Returns:
            The item as it is now.

        Raises:
            Refused: If there is no such item, or the answer does not fit.
            Conflict: If another window has answered meanwhile.
            AutoALError: If it can't be written.
        """
        found = self.find(str(given.get("key")))
        asked = None if found is None else found[1]
        answer = {k: given.get(k) for k in ("action", "label", "reason", "seconds", "external", "expects")}
        answer |= {"id": "" if asked is None else asked.id, "annotator": annotator, "tool": "page"}
        if self.mode == "disputed":
            answer["decides"] = True
        if self.suggest and asked is not None:
            answer["shown"] = asked.suggestion
        self.place.desk.take([answer])
        state = self.state(annotator)
        return {
            "item": next((i for i in state["items"] if i["key"] == given.get("key")), None),
            "n": len(state["items"]),
        }


def _short(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"action": answer["action"], "label": answer.get("label"), "reason": answer.get("reason")}


def _doubt(asked: Asked, one: Outcome) -> float:
    """How much the model doubted a label when it last saw the item: from -1, sure of it, to 1, sure of another."""
    if asked.suggestion is None or asked.prob is None:
        return 0.0
    return -asked.prob if asked.suggestion == one.label else asked.prob
