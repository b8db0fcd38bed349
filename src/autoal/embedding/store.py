"""The folder that features are written to: preallocated files, a journal of what is in them, a card at the end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from autoal.data.archives import free_space
from autoal.data.embedded import CARD, PROGRESS
from autoal.embedding.array import FeatureFile
from autoal.embedding.views import view_shapes
from autoal.errors import AutoALError
from autoal.files import atomic_open, reason, write_json
from autoal.rundir.locks import Lock, take_lock

COMMIT_SECONDS = 1.0
"""Rows are made durable and written in the journal at most this often."""
_SHOWN = 4
_AGAIN = "remove it and the .npy files beside it to embed again"


class Block(NamedTuple):
    """Consecutive rows of a part.

    Attributes:
        split: ``"train"``, ``"val"`` or ``"test"``; ``"train_weak"`` or ``"train_strong"`` of views.
        start: The first row.
        stop: The row after the last.
    """

    split: str
    start: int
    stop: int


class FeatureStore:
    """One folder of features under construction; a context that holds the folder's lock.

    Args:
        folder: Made if need be.
        plan: What the features are made of, JSON values: ``dimension``, ``splits`` (name -> ``rows`` and
            ``fingerprint``), ``views`` where there are some (:class:`~autoal.embedding.views.ViewPlan`), and
            whatever else must be equal for a resume.

    Raises:
        AutoALError: If another process works in the folder, its features were made of something else (names
            what differs), files of another origin are in it, or the disk is full.

    Attributes:
        finished: Whether the folder is complete already.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder = folder
        self.plan = json.loads(json.dumps(plan))
        shapes = {split: (part["rows"], plan["dimension"]) for split, part in plan["splits"].items()}
        self.files = {
            split: FeatureFile(folder, split, shape) for split, shape in (shapes | view_shapes(plan)).items()
        }
        self._done = {split: np.zeros(file.rows, np.bool_) for split, file in self.files.items()}
        self._waiting: list[Block] = []
        self._committed = 0.0
        self._lock: Lock | None = None

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(self.folder / ".lock")
        except OSError as error:
            raise AutoALError(f"cannot write {self.folder}: {reason(error)}") from error
        if self._lock is None:
            raise AutoALError(f"another process writes features to {self.folder}")
        try:
            self.finished = self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._lock is not None
        self._lock.release()

    def _open(self) -> bool:
        card, journal = self.folder / CARD, self.folder / PROGRESS
        if card.exists():
            found = _read_json(card)
            if isinstance(found, dict) and isinstance(found.get("splits"), dict):
                # A complete folder may hold further parts.
                found["splits"] = {name: part for name, part in found["splits"].items() if name in self.files}
                found = {key: value for key, value in found.items() if key in self.plan}
            self._compare(found, card)
            journal.unlink(missing_ok=True)
            for file in self.files.values():
                if not file.is_there():
                    raise AutoALError(
                        f"{file.path} is missing or damaged: remove {card.name} and the .npy files to embed again"
                    )
            return True
        lines = _read_lines(journal)
        if lines:
            self._compare(lines[0], journal)
        else:
            self._start(journal)
        try:
            for split, start, stop in lines[1:]:
                self._done[split][start:stop] = True
        except (KeyError, TypeError, ValueError) as error:
            raise AutoALError(f"{journal} is damaged: {_AGAIN}") from error
        for split, file in self.files.items():
            if not file.is_there():
                self._done[split][:] = False
                file.allocate()
        return False

    def _start(self, journal: Path) -> None:
        foreign = sorted(path.name for path in self.folder.glob("*.np[yz]"))
        if foreign:
            raise AutoALError(
                f"{self.folder} holds {foreign[0]}, which autoal embed did not write; choose another --out"
            )
        needed, free = sum(file.nbytes for file in self.files.values()), free_space(self.folder)
        if needed > free:
            raise AutoALError(f"disk full: the features take {needed:,} bytes, {free:,} are free at {self.folder}")
        with atomic_open(journal) as file:
            file.write(json.dumps(self.plan) + "\n")

    def _compare(self, found: Any, where: Path) -> None:
        if not isinstance(found, dict):
            raise AutoALError(f"{where} is damaged: {_AGAIN}")
        theirs, ours = _flat(found), _flat(self.plan)
        names = [key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key)]
        if names:
            shown = "; ".join(
                f"{key}: {_word(theirs.get(key))} there, {_word(ours.get(key))} here" for key in names[:_SHOWN]
            )
            more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise AutoALError(
                f"{self.folder} holds features of something else: {shown}{more}; choose another --out"
            )

    def missing(self, batch: int) -> list[Block]:
        """Return the blocks of up to ``batch`` rows that are not in the files yet.

        Blocks begin at multiples of ``batch``, so that a resume computes the same batches as an undisturbed run.
        """
        blocks = []
        for split, file in self.files.items():
            for start in range(0, file.rows, batch):
                stop = min(start + batch, file.rows)
                if not self._done[split][start:stop].all():
                    blocks.append(Block(split, start, stop))
        return blocks

    def record(self, block: Block) -> None:
        """Note that the rows of a block were written; the journal has it within :data:`COMMIT_SECONDS`."""
        self._waiting.append(block)
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Make the rows noted so far durable, then the journal's lines about them.

        Raises:
            AutoALError: If the disk is full.
        """
        for split in {block.split for block in self._waiting}:
            self.files[split].sync()
        path = self.folder / PROGRESS
        try:
            with path.open("r+b") as file:
                # A line that a kill cut off is overwritten.
                file.seek(_whole_lines(path))
                file.truncate()
                file.write("".join(json.dumps(block) + "\n" for block in self._waiting).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise AutoALError(f"cannot write {path}: {reason(error)}") from error
        self._waiting.clear()
        self._committed = time.monotonic()

    def finish(self, labels: Mapping[str, npt.NDArray[np.int64]], further: Mapping[str, Any]) -> None:
        """Write the labels and, last, the card that says the folder is complete.

        Args:
            labels: Per part, one per row; -1 where unknown.
            further: What the card says beside the plan.
        """
        self.commit()
        for split, values in labels.items():
            with atomic_open(self.folder / f"{split}_labels.npy", "wb") as file:
                np.save(file, values)
        write_json(self.folder / CARD, {**self.plan, **further})
        (self.folder / PROGRESS).unlink()


def _whole_lines(path: Path) -> int:
    """Return how many bytes the complete lines of a file take."""
    return path.read_bytes().rfind(b"\n") + 1


def _read_lines(path: Path) -> list[Any]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AutoALError(f"cannot read {path}: {reason(error)}") from error
    try:
        return [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]
    except ValueError as error:
        raise AutoALError(f"{path} is damaged: {_AGAIN}") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AutoALError(f"cannot read {path}: {error}") from error


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        name: leaf
        for key, inner in value.items()
        for name, leaf in _flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def _word(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."


def rows_of(blocks: Iterable[Block]) -> int:
    """Return how many rows some blocks have together."""
    return sum(block.stop - block.start for block in blocks)
