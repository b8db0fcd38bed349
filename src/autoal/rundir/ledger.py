"""The append-only ledger of every label bought, ``ledger.jsonl``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from autoal.errors import AutoALError


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Purchase:
    """One line of the ledger.

    Attributes:
        round: The round that trains on this label first (0 for the initial set).
        id: The sample.
        label: Its class.
        strategy: What chose it.
        score: The strategy's score of the pick, or None.
        source: ``"init"``, ``"query"`` or ``"val"`` (validation labels, charged to the budget).
        time: UTC time of the purchase, ISO 8601.
    """

    round: int
    id: int
    label: int
    strategy: str
    score: float | None
    source: str
    time: str


class Ledger:
    """``ledger.jsonl``: one line per bought label, appended and fsynced before the pool moves.

    Args:
        path: The file; made on the first append.
        clock: Gives the time of a purchase.
    """

    def __init__(self, path: Path, clock: Callable[[], str] = _now) -> None:
        self.path = path
        self._clock = clock

    def append(
        self,
        round_: int,
        ids: Sequence[int],
        labels: Sequence[int],
        strategy: str,
        scores: Sequence[float | None],
        source: str,
    ) -> None:
        """Write purchases and wait until they are on disk.

        Raises:
            AutoALError: If the file can't be written (the pool has not moved then).
        """
        time = self._clock()
        purchases = (
            Purchase(round_, i, label, strategy, score, source, time)
            for i, label, score in zip(ids, labels, scores, strict=True)
        )
        text = "".join(json.dumps(asdict(p)) + "\n" for p in purchases)
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
        except OSError as error:
            raise AutoALError(f"cannot write {self.path}: {error.strerror or error}") from error

    def read(self) -> list[Purchase]:
        """Read all complete lines; a last line torn by a kill is dropped from the file.

        Raises:
            AutoALError: If a line other than a torn last one can't be read, or an id stands twice.
        """
        if not self.path.exists():
            return []
        raw = self.path.read_bytes()
        complete = raw[: raw.rfind(b"\n") + 1]
        if len(complete) < len(raw):
            os.truncate(self.path, len(complete))
        purchases = [self._parse(line, number) for number, line in enumerate(complete.splitlines(), 1)]
        seen: set[int] = set()
        for number, purchase in enumerate(purchases, 1):
            if purchase.id in seen:
                raise AutoALError(f"{self.path} line {number}: sample {purchase.id} is bought twice")
            seen.add(purchase.id)
        return purchases

    def _parse(self, line: bytes, number: int) -> Purchase:
        try:
            return Purchase(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise AutoALError(f"{self.path} line {number} is not a ledger line: {error}") from error
