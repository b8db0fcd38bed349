"""A query as Label Studio's tasks, and its annotations as answers. Nothing here speaks to a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from autoal.humans.queries import Asked, Query
from autoal.humans.standing import Answer, current

NAME, IMAGE = "label", "image"
HOTKEYS = "123456789qwertyuiopasdfghjklzxcvbnm"
TITLE = 50
"""Characters that the server allows a project's title."""


def interface(classes: Sequence[str]) -> str:
    """Return the labelling interface: an image, and one class of a list.

    Args:
        classes: The class names.

    Example:
        >>> print(interface(["duck"]).splitlines()[3])
            <Choice value="duck" hotkey="1"/>
    """
    keys = list(HOTKEYS[: len(classes)]) + [""] * len(classes)
    choices = [
        f"    <Choice value={quoteattr(name)}" + (f' hotkey="{key}"/>' if key else "/>")
        for name, key in zip(classes, keys, strict=False)
    ]
    head = f'  <Choices name="{NAME}" toName="{IMAGE}" choice="single-radio" required="true">'
    image = f'  <Image name="{IMAGE}" value="$image"/>'
    return "\n".join(["<View>", image, head, *choices, "  </Choices>", "</View>"])


def task(query: Query, asked: Asked, below: str) -> dict[str, Any]:
    """Return an item as a task, with the model's suggestion if it has one.

    Args:
        query: The query.
        asked: One of its items.
        below: The data set's folder below the one that the server reads files from.
    """
    path = f"{below}/{asked.id}" if below not in ("", ".") else asked.id
    made: dict[str, Any] = {
        "data": {
            "image": f"/data/local-files/?d={quote(path)}",
            "autoal_run": query.run,
            "autoal_query": query.query,
            "autoal_id": asked.id,
            "autoal_sha256": asked.sha256,
            "autoal_rank": asked.rank,
            "autoal_score": asked.score,
        }
    }
    if asked.suggestion is not None:
        choice = {"from_name": NAME, "to_name": IMAGE, "type": "choices", "value": {"choices": [asked.suggestion]}}
        made["predictions"] = [{"model_version": query.query, "score": asked.prob, "result": [choice]}]
    return made


def key_of(task: Mapping[str, Any]) -> tuple[str, str]:
    """Return which item of which query a task is; empty texts where it is none of ours."""
    data = task.get("data")
    data = data if isinstance(data, Mapping) else {}
    return str(data.get("autoal_query") or ""), str(data.get("autoal_id") or "")


Given = tuple[Mapping[str, Any], int]
"""An annotation, and the number of its task."""


@dataclass
class Fetched:
    """What a server's annotations come to.

    Attributes:
        answers: The answers.
        where: For each, where it stands.
        foreign: Tasks that are no items of this run.
        empty: Annotations without a class that are no skips.
        drafts: Tasks that somebody has begun and nobody has submitted.
    """

    answers: list[dict[str, Any]] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    foreign: int = 0
    empty: int = 0
    drafts: int = 0

    def notes(self) -> list[str]:
        """Return what was left out, in words."""
        left = (
            (self.drafts, "drafts that nobody has submitted"),
            (self.empty, "annotations without a class"),
            (self.foreign, "tasks that are no items of this run"),
        )
        return [f"left out: {n} {what}" for n, what in left if n]


def answers_of(
    exported: Iterable[Mapping[str, Any]],
    queries: Sequence[Query],
    users: Mapping[int, str],
    there: Sequence[Answer],
    shows: bool,
) -> Fetched:
    """Read the answers out of a server's tasks.

    Of several annotations that one person gave to one task the last one counts. One that was taken before and has
    been deleted since is taken back.

    Args:
        exported: The tasks with their annotations, as the server exports them.
        queries: The run's queries.
        users: The names of the server's users.
        there: The answers that the run has.
        shows: Whether the project shows the model's suggestions to people.
    """
    run, last = {q.run for q in queries}, {a.id: q for q in queries for a in q.items}
    asked = {(q.query, a.id): a for q in queries for a in q.items}
    said, found = current(there), Fetched()
    tasks = sorted(exported, key=lambda one: int(one.get("id") or 0))
    given: dict[str, dict[str, Given]] = {}
    for one in tasks:
        query, item = key_of(one)
        if (query, item) not in asked or (one["data"].get("autoal_run") not in run):
            found.foreign += 1
            continue
        if last[item].query != query:
            continue  # it was asked again since, and answers to that count
        mine = given.setdefault(item, {})
        for annotation in one.get("annotations") or ():
            who = annotator_of(annotation, users)
            if who not in mine or _time(annotation) >= _time(mine[who][0]):
                mine[who] = (annotation, int(one.get("id") or 0))
        found.drafts += bool(one.get("drafts")) and not mine
    for item, mine in given.items():
        for who, (annotation, number) in mine.items():
            answer = _answer(annotation, suggestion=asked[last[item].query, item].suggestion if shows else None)
            if answer is None:
                found.empty += 1
                continue
            answer |= {"id": item, "query": last[item].query, "annotator": who, "tool": "labelstudio"}
            found.answers.append(answer)
            found.where.append(f"task {number} by {who}")
        for who, before in said.get(item, {}).items():
            if before.get("tool") == "labelstudio" and who not in mine:
                gone = {"id": item, "action": "retract", "annotator": who, "tool": "labelstudio"}
                found.answers.append({**gone, "external": f"{before.get('external')}:deleted"})
                found.where.append(f"{item} by {who}, deleted")
    return found


def annotator_of(annotation: Mapping[str, Any], users: Mapping[int, str]) -> str:
    """Return who made an annotation."""
    who = annotation.get("completed_by")
    if isinstance(who, Mapping):
        return str(who.get("email") or who.get("id"))
    return users.get(who, f"user {who}") if isinstance(who, int) else "unknown"


def _answer(annotation: Mapping[str, Any], suggestion: str | None) -> dict[str, Any] | None:
    """Return an annotation as an answer; None where it says nothing."""
    seconds = annotation.get("lead_time")
    answer: dict[str, Any] = {
        "external": f"ls:{annotation.get('unique_id')}:{annotation.get('updated_at')}",
        "seconds": round(float(seconds), 3) if isinstance(seconds, int | float) and seconds >= 0 else None,
        "shown": suggestion,
    }
    if annotation.get("was_cancelled"):
        return {**answer, "action": "skip"}
    chosen = [
        str(choice)
        for part in annotation.get("result") or ()
        if isinstance(part, Mapping) and part.get("type") == "choices" and part.get("from_name") == NAME
        for choice in part["value"]["choices"]
    ]
    return {**answer, "action": "label", "label": chosen[0]} if chosen else None


def _time(annotation: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(annotation.get("updated_at") or "1970-01-01T00:00:00+00:00"))
