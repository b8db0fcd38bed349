"""Files that are only appended to: whole lines of JSON, on disk before anybody is told, one writer at a time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError
from autoal.files import reason, sync_folder
from autoal.rundir.locks import take_lock

PATIENCE = 30.0
"""Seconds that a writer waits for another one, which needs milliseconds."""


class Journal:
    """A file of JSON lines.

    A last line that a kill has torn does not count; the next writer cuts it off.

    Args:
        path: The file; made on the first append.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return every whole line.

        Raises:
            AutoALError: If the file can't be read, or a line is no JSON object; names the line.
        """
        try:
            raw = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise AutoALError(f"cannot read {self.path}: {reason(error)}") from error
        found = []
        for number, line in enumerate(raw.split(b"\n")[:-1], 1):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise AutoALError(f"{self.path} line {number} is damaged: {error}") from error
            if not isinstance(value, dict):
                raise AutoALError(f"{self.path} line {number} is damaged: not a JSON object")
            found.append(value)
        return found

    def append(self, decide: Callable[[list[dict[str, Any]]], Sequence[Mapping[str, Any]]]) -> int:
        """Append what follows from the lines that are there, and wait until it is on disk.

        Args:
            decide: Given every line, returns the new ones; whatever it raises leaves the file as it is.

        Returns:
            How many lines were appended: all of them, or none where the disk refuses.

        Raises:
            AutoALError: If the file can't be written, or another writer does not let go of it.
        """
        with self._alone():
            new = list(decide(self.read()))
            if new:
                self._write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in new))
        return len(new)

    def _write(self, text: str) -> None:
        try:
            with self.path.open("ab") as file:
                start = _whole(self.path)
                os.ftruncate(file.fileno(), start)
                try:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), start)
                    raise
            if start == 0:
                sync_folder(self.path.parent)
        except OSError as error:
            raise AutoALError(f"cannot write {self.path}: {reason(error)}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                lock = take_lock(self.path.with_name(f".{self.path.name}.lock"))
            except OSError as error:
                raise AutoALError(f"cannot write {self.path}: {reason(error)}") from error
            if lock is not None:
                break
            if time.monotonic() > end:
                raise AutoALError(f"another process holds {self.path}")
        try:
            yield
        finally:
            lock.release()


def _whole(path: Path) -> int:
    """Return the length of a file's whole lines."""
    with path.open("rb") as file:
        return file.read().rfind(b"\n") + 1
