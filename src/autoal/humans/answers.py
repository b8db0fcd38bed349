"""Answers: checked against the queries, appended to ``answers.jsonl`` all together or not at all."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError, unknown_name
from autoal.humans.journal import Journal
from autoal.humans.queries import Query, read_queries
from autoal.humans.standing import Standing, current, standing
from autoal.rundir.names import ANSWERS

SCHEMA = "autoal.answer/1"
ACTIONS = ("label", "skip", "retract")
REASONS = ("unsure", "none_of_these", "broken")
TOOLS = ("page", "csv", "jsonl", "imagefolder", "labelstudio", "script")


class Refused(AutoALError):
    """Answers that do not fit the run; nothing of them was taken."""


class Conflict(AutoALError):
    """Another answer to the same item came first."""


@dataclass
class Desk:
    """The queries and answers of a run directory.

    Attributes:
        run_dir: The run directory.
        clock: Gives the time of an answer.
    """

    run_dir: Path
    clock: Callable[[], str] = lambda: datetime.now(UTC).isoformat(timespec="milliseconds")

    def __post_init__(self) -> None:
        self.journal = Journal(self.run_dir / ANSWERS)

    def queries(self) -> list[Query]:
        """Return every query of the run, in their order."""
        return read_queries(self.run_dir)

    def answers(self) -> list[dict[str, Any]]:
        """Return every answer, in the order in which they came."""
        return self.journal.read()

    def latest(self) -> Standing | None:
        """Return how far the last query is; None where nothing was asked yet."""
        queries = self.queries()
        return standing(queries[-1], self.answers()) if queries else None

    def take(self, given: Sequence[Mapping[str, Any]], where: Sequence[str] = (), dry: bool = False) -> int:
        """Check answers and append those that are new.

        An answer that says what its annotator said last of the item, or whose ``external`` key is there already,
        is no new one.

        Args:
            given: The answers: ``id``, ``action``, ``label``, ``annotator`` and more of the schema's keys.
            where: For each, where it stands (``labels.csv row 7``), for messages.
            dry: Whether to check only.

        Returns:
            How many are new.

        Raises:
            Refused: If one of them does not fit; none was taken then.
            AutoALError: If they can't be written.
        """
        index = Index(self.queries())
        checked = [index.check(a, where[i] if where else f"answer {i + 1}") for i, a in enumerate(given)]
        _refuse_doubles(checked, where)
        count = 0

        def decide(there: list[dict[str, Any]]) -> list[dict[str, Any]]:
            nonlocal count
            fresh = self._fresh(there, checked)
            count = len(fresh)
            return [] if dry else fresh

        self.journal.append(decide)
        return count

    def close(self) -> None:
        """Declare that what is answered of the last query is enough."""
        queries = self.queries()
        if queries:
            name = queries[-1].query
            line = {"schema": SCHEMA, "query": name, "action": "close", "time": self.clock()}
            self.journal.append(lambda there: [] if any(_closes(a, name) for a in there) else [line])

    def requeue(self) -> int:
        """Take back every skip that settled an item of an earlier query, so that it may be asked again.

        Returns:
            How many items there are.
        """
        answers = self.answers()
        said = current(answers)
        skipped = {asked.id for query in self.queries()[:-1] for asked in standing(query, answers).skipped}
        self.take(
            [{"id": item, "action": "retract", "annotator": who} for item in sorted(skipped) for who in said[item]]
        )
        return len(skipped)

    def _fresh(
        self, there: Sequence[Mapping[str, Any]], checked: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        keys = {a["external"] for a in there if a.get("external")}
        said, fresh = current(there), []
        for answer in checked:
            last = said.get(answer["id"], {}).get(answer["annotator"])
            now = (answer["action"], answer.get("label"), answer.get("decides", False))
            before = None if last is None else (last["action"], last.get("label"), last.get("decides", False))
            if answer.get("external") in keys or before == now or (last is None and now[0] == "retract"):
                continue
            if "expects" in answer and answer["expects"] != stamp_of(last):
                raise Conflict(f"{answer['id']} was answered in another window: {describe(last)}")
            fresh.append(
                {"schema": SCHEMA, **{k: v for k, v in answer.items() if k != "expects"}, "time": self.clock()}
            )
        return fresh


def stamp_of(answer: Mapping[str, Any] | None) -> str:
    """Return what tells one answer of an annotator from the next one: its time and key; empty: none."""
    return "" if answer is None else f"{answer.get('time')}/{answer.get('external') or ''}"


def describe(answer: Mapping[str, Any] | None) -> str:
    """Return an answer in words."""
    if answer is None:
        return "no answer"
    return (
        str(answer["label"]) if answer["action"] == "label" else f"skipped ({answer.get('reason') or 'no reason'})"
    )


def _closes(answer: Mapping[str, Any], query: str) -> bool:
    return answer.get("action") == "close" and answer.get("query") == query


def _refuse_doubles(checked: Sequence[Mapping[str, Any]], where: Sequence[str]) -> None:
    """Refuse a file that answers one item twice by one annotator, and not alike."""
    first: dict[tuple[str, str], int] = {}
    for i, answer in enumerate(checked):
        key = (answer["id"], answer["annotator"])
        other = first.setdefault(key, i)
        said, before = answer, checked[other]
        if other != i and (said["action"], said.get("label")) != (before["action"], before.get("label")):
            at = where[i] if where else f"answer {i + 1}"
            there = where[other] if where else f"answer {other + 1}"
            raise Refused(f"{at}: {answer['id']} is answered otherwise in {there}")


class Index:
    """Every item that was ever asked for, by its id.

    Args:
        queries: The queries of a run.
    """

    def __init__(self, queries: Sequence[Query]) -> None:
        self._names = {query.query for query in queries}
        self._classes = queries[-1].classes if queries else ()
        self._runs = {query.run for query in queries}
        self._of: dict[str, str] = {}
        self._sha: dict[str, str] = {}
        for query in queries:
            for asked in query.items:
                self._of[_plain(asked.id)] = query.query
                self._sha[_plain(asked.id)] = asked.sha256
        self._id = {_plain(asked.id): asked.id for query in queries for asked in query.items}

    def check(self, answer: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return an answer in the form of the schema.

        Raises:
            Refused: Naming the place, the value and what is valid.
        """
        item = self._item(answer, where)
        action = answer.get("action") or ("label" if answer.get("label") else "")
        if action not in ACTIONS:
            raise Refused(f"{where}: {unknown_name('action', str(action), ACTIONS)}")
        annotator = str(answer.get("annotator") or "").strip()
        if not annotator or len(annotator) > 100:
            raise Refused(f"{where}: the annotator '{annotator[:20]}' has no name of 1 to 100 characters")
        label, why = answer.get("label"), answer.get("reason")
        if action == "label" and label not in self._classes:
            raise Refused(f"{where}: {unknown_name('class', str(label), self._classes)}")
        if action == "skip" and why is not None and why not in REASONS:
            raise Refused(f"{where}: {unknown_name('reason', str(why), REASONS)}")
        found: dict[str, Any] = {
            "query": self._of[_plain(item)],
            "id": item,
            "action": action,
            "label": label if action == "label" else None,
            "reason": why if action == "skip" else None,
            "annotator": annotator,
            "seconds": _seconds(answer.get("seconds"), where),
            "shown": answer.get("shown"),
            "tool": answer.get("tool") or "script",
            "external": answer.get("external"),
        }
        if answer.get("decides"):
            found["decides"] = True
        if answer.get("expects") is not None:
            found["expects"] = answer["expects"]
        return found

    def _item(self, answer: Mapping[str, Any], where: str) -> str:
        run, query, sha = answer.get("run"), answer.get("query"), answer.get("sha256")
        if run and run not in self._runs:
            raise Refused(f"{where}: these answers belong to another run ({run})")
        if query and query not in self._names:
            raise Refused(f"{where}: {unknown_name('query', str(query), self._names)}")
        given = str(answer.get("id") or "")
        name = _plain(given)
        if name not in self._id and _plain(given.replace("\\", "/")) in self._id:
            name = _plain(given.replace("\\", "/"))
        if name not in self._id:
            near = unknown_name("item", given, self._id) if given else AutoALError("there is no id")
            raise Refused(f"{where}: nobody was asked about this: {str(near)[:300]}")
        if query and self._of[name] != query:
            raise Refused(f"{where}: {given} belongs to query {self._of[name]}, not {query}")
        if sha and sha != self._sha[name]:
            raise Refused(f"{where}: {given} was another file (sha256 {str(sha)[:12]}) when it was answered")
        return self._id[name]


def _seconds(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < 1e9:
        raise Refused(f"{where}: seconds={value} is no time")
    return float(value)


def _plain(name: str) -> str:
    """Return a name in the form in which names are compared, whichever way an accent is written."""
    return unicodedata.normalize("NFC", name)
