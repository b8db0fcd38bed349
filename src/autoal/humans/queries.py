"""A query on disk: what people are asked, written once and never changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError
from autoal.files import atomic_open
from autoal.rundir.names import QUERIES

SCHEMA = "autoal.query/1"
KINDS = ("test", "val", "init", "query")
"""What an item's label is for, as in the ledger."""


@dataclass(frozen=True)
class Asked:
    """An item that people are asked about.

    Attributes:
        id: Its path below the data set's folder.
        item: Its number in the pool and in the ledger.
        kind: One of :data:`KINDS`.
        sha256: Digest of its file.
        rank: Its place in the query, from 0.
        score: The strategy's score, or None.
        suggestion: The class that the model takes it for, or None.
        prob: The model's probability of that class, or None.
        spare: Whether it is asked only in place of one that was skipped.
    """

    id: str
    item: int
    kind: str
    sha256: str
    rank: int
    score: float | None = None
    suggestion: str | None = None
    prob: float | None = None
    spare: bool = False


@dataclass(frozen=True)
class Query:
    """What people are asked before a round.

    Attributes:
        run: The run's identity.
        query: The query's identity, ``r003-9f2c``.
        round: The round that trains on the labels first.
        strategy: What chose the items.
        classes: The class names, in the order of their numbers.
        wanted: How many labels of each kind.
        overlap: Annotators per item.
        min_agree: Equal answers that settle an item.
        items: The items, by rank.
    """

    run: str
    query: str
    round: int
    strategy: str
    classes: tuple[str, ...]
    wanted: Mapping[str, int]
    overlap: int
    min_agree: int
    items: tuple[Asked, ...]

    def write(self, run_dir: Path) -> None:
        """Write it, whole or not at all.

        Raises:
            AutoALError: If it can't be written.
        """
        with atomic_open(path_of(run_dir, self.round)) as file:
            json.dump({"schema": SCHEMA, **asdict(self)}, file, indent=1, ensure_ascii=False)
            file.write("\n")


def name_of(run: str, round_: int, items: Sequence[Asked]) -> str:
    """Return the identity of a query: its round, and four digits of what is in it."""
    text = json.dumps([run, round_, [[a.id, a.kind, a.spare] for a in items]])
    return f"r{round_:03d}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def path_of(run_dir: Path, round_: int) -> Path:
    """Return where the query of a round is."""
    return run_dir / QUERIES / f"r{round_:03d}.json"


def read_query(run_dir: Path, round_: int) -> Query | None:
    """Read the query of a round; None where nothing was asked yet.

    Raises:
        AutoALError: If it is damaged.
    """
    path = path_of(run_dir, round_)
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if value.pop("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        items = tuple(Asked(**item) for item in value.pop("items"))
        return Query(items=items, **{**value, "classes": tuple(value["classes"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AutoALError(f"{path} can't be read as a query: {error}") from error


def read_queries(run_dir: Path) -> list[Query]:
    """Read every query of a run, in their order.

    Raises:
        AutoALError: If one is damaged.
    """
    rounds = sorted(int(path.stem[1:]) for path in (run_dir / QUERIES).glob("r[0-9]*.json"))
    found = [read_query(run_dir, round_) for round_ in rounds]
    return [query for query in found if query is not None]
