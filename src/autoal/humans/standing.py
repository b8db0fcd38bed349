"""What the answers to a query come to: settled, skipped, disputed or open; derived each time, never stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from autoal.humans.queries import KINDS, Asked, Query

LONGEST_PAUSE = 120.0
"""Seconds on one image above which somebody has gone for coffee."""

Answer = Mapping[str, Any]
"""A line of ``answers.jsonl``."""


def current(answers: Iterable[Answer]) -> dict[str, dict[str, Answer]]:
    """Return what each annotator says of each item now: id -> annotator -> answer; retracted ones are left out."""
    said: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        if answer.get("action") == "close":
            continue
        mine = said.setdefault(str(answer["id"]), {})
        # Taken out first, so that the order is that of the last words.
        mine.pop(str(answer["annotator"]), None)
        if answer["action"] != "retract":
            mine[str(answer["annotator"])] = answer
    return said


@dataclass(frozen=True)
class Outcome:
    """What one item has come to.

    Attributes:
        state: ``"open"``, ``"label"``, ``"skip"`` or ``"disputed"``.
        label: The class, if the state is ``"label"``.
        votes: What each annotator said; None: a skip.
    """

    state: str
    label: str | None
    votes: Mapping[str, str | None]


def outcome(said: Mapping[str, Answer], overlap: int, min_agree: int) -> Outcome:
    """Settle one item.

    An answer that decides (``decides: true``) counts alone. Otherwise as many annotators as ``overlap`` must have
    answered, and the most frequent answer settles the item where it was given ``min_agree`` times and no other
    answer as often. A skip is an answer like a class.

    Args:
        said: Each annotator's answer.
        overlap: Annotators per item.
        min_agree: Equal answers that settle it.
    """
    votes = {who: (a["label"] if a["action"] == "label" else None) for who, a in said.items()}
    deciding = [a for a in said.values() if a.get("decides")]
    if deciding:
        last = deciding[-1]
        label = last["label"] if last["action"] == "label" else None
        return Outcome("skip" if label is None else "label", label, votes)
    if len(votes) < overlap:
        return Outcome("open", None, votes)
    ranked = Counter(votes.values()).most_common(2)
    best, count = ranked[0]
    tied = len(ranked) > 1 and ranked[1][1] == count
    if overlap == 1:
        # A second annotator who was not asked for makes no dispute as long as both agree.
        agreed = len(ranked) == 1
    else:
        agreed = count >= min_agree and not tied and (min_agree < overlap or len(ranked) == 1)
    if not agreed:
        return Outcome("disputed", None, votes)
    return Outcome("skip" if best is None else "label", best, votes)


@dataclass
class Standing:
    """How far a query is.

    Attributes:
        query: The query.
        taken: Items whose labels count, by rank, with their classes.
        skipped: Items that nobody could label.
        open: Items that still need answers.
        disputed: Items on which annotators differ.
        outcomes: What every item has come to.
        closed: Whether somebody has declared that what is there is enough.
        exhausted: Labels of each kind that no spare is left for.
    """

    query: Query
    taken: list[tuple[Asked, str]] = field(default_factory=list)
    skipped: list[Asked] = field(default_factory=list)
    open: list[Asked] = field(default_factory=list)
    disputed: list[Asked] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    closed: bool = False
    exhausted: int = 0

    @property
    def complete(self) -> bool:
        """Whether the run can go on."""
        return self.closed or not (self.open or self.disputed)

    @property
    def missing(self) -> int:
        """How many items still need an answer or a decision."""
        return len(self.open) + len(self.disputed)

    @property
    def wanted(self) -> int:
        """How many labels are wanted."""
        return sum(self.query.wanted.values()) - self.exhausted

    def needed(self) -> list[Asked]:
        """Return the items that people see, by rank: those wanted, and spares in place of skipped ones."""
        seen = {a.id for a, _ in self.taken} | {a.id for a in (*self.skipped, *self.open, *self.disputed)}
        return [a for a in self.query.items if a.id in seen]


def standing(query: Query, answers: Sequence[Answer]) -> Standing:
    """Say how far a query is.

    Of each kind, items count by rank until as many as wanted are labelled or may still be; a skipped one lets the
    next spare in.

    Args:
        query: The query.
        answers: Every line of ``answers.jsonl``.
    """
    said = current(answers)
    closed = any(a.get("action") == "close" and a.get("query") == query.query for a in answers)
    found = Standing(query, closed=closed)
    for kind in KINDS:
        left = query.wanted.get(kind, 0)
        for asked in query.items:
            if asked.kind != kind or not left:
                continue
            one = outcome(said.get(asked.id, {}), query.overlap, query.min_agree)
            found.outcomes[asked.id] = one
            if one.state == "skip":
                found.skipped.append(asked)
                continue
            left -= 1
            if one.state == "label" and one.label is not None:
                found.taken.append((asked, one.label))
            else:
                (found.disputed if one.state == "disputed" else found.open).append(asked)
        found.exhausted += left
    found.taken.sort(key=lambda pair: pair[0].rank)
    found.open.sort(key=lambda asked: asked.rank)
    return found


def effort(query: Query, answers: Sequence[Answer]) -> dict[str, float]:
    """Return what a query cost its annotators, as columns of ``rounds.csv``.

    ``people_seconds`` counts pauses above two minutes with the median time per image; answers without a time, from
    files, count nothing.
    """
    own = [a for a in answers if a.get("query") == query.query and a.get("action") in ("label", "skip")]
    times = [float(a["seconds"]) for a in own if a.get("seconds") is not None]
    short = [t for t in times if t <= LONGEST_PAUSE]
    typical = median(short) if short else LONGEST_PAUSE
    seen = Counter((a["id"], a["annotator"]) for a in own)
    return {
        "people_answers": float(len(own)),
        "people_skips": float(sum(a["action"] == "skip" for a in own)),
        "people_relabels": float(sum(n - 1 for n in seen.values())),
        "people_seconds": round(sum(t if t <= LONGEST_PAUSE else typical for t in times), 3),
    }
