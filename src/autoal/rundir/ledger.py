"""The append-only ledger of every label bought, ``ledger.jsonl``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from autoal.errors import AutoALError
from autoal.files import reason

SOURCES = ("init", "query", "val", "test")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Purchase(NamedTuple):
    """One line of the ledger.

    Attributes:
        round: The round that trains on this label first (0 for the initial set).
        id: The sample.
        label: Its class.
        strategy: What chose it.
        score: The strategy's score of the pick, or None.
        source: ``"init"``, ``"query"``, ``"val"`` or ``"test"`` (labels that serve validation or test).
        time: UTC time of the purchase, ISO 8601.
        path: The sample's file below the data set's folder; None where samples are no files.
        class_name: The class's name (``class`` in the file); None where classes have none.
    """

    round: int
    id: int
    label: int
    strategy: str
    score: float | None
    source: str
    time: str
    path: str | None = None
    class_name: str | None = None

    def line(self) -> str:
        """Return the line of the file, without what is not known."""
        entry = self._asdict()
        entry["class"] = entry.pop("class_name")
        return json.dumps({k: v for k, v in entry.items() if v is not None or k not in ("path", "class")}) + "\n"


class Ledger:
    """``ledger.jsonl``: one line per bought label, appended and fsynced before the pool moves.

    Args:
        path: The file; made on the first append.
        clock: Gives the time of a purchase.
    """

    def __init__(self, path: Path, clock: Callable[[], str] = _now) -> None:
        self.path = path
        self._clock = clock
        self._size: int | None = None

    def append(
        self,
        round_: int,
        ids: Sequence[int],
        labels: Sequence[int],
        strategy: str,
        scores: Sequence[float | None],
        source: str,
        paths: Sequence[str | None] = (),
        classes: Sequence[str | None] = (),
    ) -> None:
        """Write purchases and wait until they are on disk.

        Args:
            round_: The round that trains on the labels first.
            ids: The samples.
            labels: Their classes.
            strategy: What chose them.
            scores: Its scores.
            source: One of :data:`SOURCES`.
            paths: The samples' files; empty: they have none.
            classes: Names of the labels' classes; empty: they have none.

        Raises:
            AutoALError: If the file can't be written, or is not the one that was read or written before (the
                pool has not moved then).
        """
        self.check()
        time = self._clock()
        purchases = (
            Purchase(round_, i, label, strategy, score, source, time, path, name).line()
            for i, label, score, path, name in zip(
                ids, labels, scores, paths or [None] * len(ids), classes or [None] * len(ids), strict=True
            )
        )
        text = "".join(purchases)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                start = file.tell()
                try:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), start)
                    raise
                self._size = file.tell()
        except OSError as error:
            raise AutoALError(f"cannot write {self.path}: {reason(error)}") from error

    def check(self) -> None:
        """Check that the file is as long as this process left it.

        Raises:
            AutoALError: If something else has changed or removed it.
        """
        if self._size is None:
            return
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            size = 0
        except OSError as error:
            raise AutoALError(f"cannot read {self.path}: {reason(error)}") from error
        if size != self._size:
            raise AutoALError(
                f"{self.path} was changed or removed while the run worked with it: "
                f"{size} bytes instead of {self._size}"
            )

    def read(self, repair: bool = True) -> list[Purchase]:
        """Read all complete lines; a last line torn by a kill is dropped from the file.

        Args:
            repair: Whether this process may change the file; else a torn line is only left out.

        Raises:
            AutoALError: If a line other than a torn last one can't be read, or an id stands twice.
        """
        try:
            raw = self.path.read_bytes() if self.path.exists() else b""
            complete = raw[: raw.rfind(b"\n") + 1]
            if len(complete) < len(raw) and repair:
                os.truncate(self.path, len(complete))
        except OSError as error:
            raise AutoALError(f"cannot read {self.path}: {reason(error)}") from error
        self._size = len(complete)
        purchases = [self._purchase(value, number) for number, value in enumerate(self._values(complete), 1)]
        seen: set[int] = set()
        for number, purchase in enumerate(purchases, 1):
            if purchase.id in seen:
                raise AutoALError(f"{self.path} line {number}: sample {purchase.id} is bought twice")
            seen.add(purchase.id)
        return purchases

    def _values(self, complete: bytes) -> list[Any]:
        lines = complete.split(b"\n")[:-1]
        try:
            # One call for all lines: a call per line takes three times as long.
            values: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")
        except (ValueError, RecursionError):
            values = []
        if len(values) == len(lines):
            return values
        return [self._value(line, number) for number, line in enumerate(lines, 1)]

    def _value(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._no_purchase(number, str(error)) from error

    def _purchase(self, value: Any, number: int) -> Purchase:
        try:
            # Runs of older versions have no "class".
            purchase = Purchase(**{"class_name" if k == "class" else k: v for k, v in value.items()})
        except (TypeError, AttributeError) as error:
            raise self._no_purchase(number, str(error).replace("Purchase.__new__() ", "")) from error
        # type(), because True is an int to isinstance.
        whole = type(purchase.round) is int and type(purchase.id) is int and type(purchase.label) is int
        if not whole or not all(0 <= value < 1 << 63 for value in (purchase.round, purchase.id, purchase.label)):
            raise self._no_purchase(number, "round, id and label are whole numbers of at least 0")
        if purchase.source not in SOURCES or type(purchase.strategy) is not str:
            raise self._no_purchase(number, f"source is one of {', '.join(SOURCES)}, strategy a name")
        if not all(text is None or type(text) is str for text in (purchase.path, purchase.class_name)):
            raise self._no_purchase(number, "path and class are texts")
        if purchase.score is not None and type(purchase.score) not in (int, float):
            raise self._no_purchase(number, "score is a number or null")
        return purchase

    def _no_purchase(self, number: int, why: str) -> AutoALError:
        return AutoALError(f"{self.path} line {number} is not a ledger line: {why}")
