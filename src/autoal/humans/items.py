"""The items of a run, pinned: ``pool.jsonl`` says which file each number is, and what was in it."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from autoal.errors import AutoALError
from autoal.files import reason
from autoal.humans.journal import Journal
from autoal.rundir.names import POOL

SCHEMA = "autoal.pool/1"


@dataclass(frozen=True)
class Item:
    """A file of the pool.

    Attributes:
        id: Its path below the data set's folder, with ``/``.
        sha256: Digest of its content, 64 hexadecimal digits.
        bytes: Its size.
    """

    id: str
    sha256: str
    bytes: int


@dataclass
class Items:
    """The items of a run; the place of each is its number in the ledger.

    Attributes:
        run: The run's identity.
        mean: Mean of each channel of the training images when the run began.
        std: Standard deviation, likewise.
        items: The items.
    """

    run: str
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    items: list[Item] = field(default_factory=list)

    @classmethod
    def read(cls, run_dir: Path) -> Items | None:
        """Read ``pool.jsonl``; None where there is none.

        Raises:
            AutoALError: If it is damaged.
        """
        path = run_dir / POOL
        lines = Journal(path).read()
        if not lines:
            return None
        head, *rest = lines
        if head.get("schema") != SCHEMA:
            raise AutoALError(f"{path} line 1 is damaged: its schema is not {SCHEMA}")
        try:
            found = cls(str(head["run"]), tuple(head["mean"]), tuple(head["std"]))
            for number, line in enumerate(rest):
                if line["item"] != number:
                    raise AutoALError(f"{path} line {number + 2} is damaged: it is not item {number}")
                found.items.append(Item(str(line["id"]), str(line["sha256"]), int(line["bytes"])))
        except (KeyError, TypeError, ValueError) as error:
            raise AutoALError(f"{path} is damaged: {type(error).__name__} {error}") from error
        return found

    @property
    def ids(self) -> tuple[str, ...]:
        """The items' ids in their order."""
        return tuple(item.id for item in self.items)

    def extend(self, run_dir: Path, folder: Path, names: Sequence[str]) -> int:
        """Append items that have come since, and write them to ``pool.jsonl``.

        Args:
            run_dir: The run directory.
            folder: The data set's folder.
            names: Every item in its order; those that are known already come first.

        Returns:
            How many are new.

        Raises:
            AutoALError: If one can't be read, or the file not be written.
        """
        fresh = list(names[len(self.items) :])
        new = digests(folder, fresh)
        lines: list[dict[str, object]] = [
            {"item": len(self.items) + i, "id": item.id, "sha256": item.sha256, "bytes": item.bytes}
            for i, item in enumerate(new)
        ]
        head = {"schema": SCHEMA, "run": self.run, "mean": list(self.mean), "std": list(self.std)}
        Journal(run_dir / POOL).append(lambda there: lines if there else [head, *lines])
        self.items += new
        return len(new)

    def check(self, folder: Path, needed: Iterable[str]) -> list[str]:
        """Compare the files with what was pinned.

        Every file's size is compared; the content of needed ones too.

        Args:
            folder: The data set's folder.
            needed: Ids of items that have been asked for or have a label.

        Returns:
            Ids of the items that have gone.

        Raises:
            AutoALError: If a file has changed, or a needed one has gone.
        """
        wanted, gone = set(needed), []
        for item in self.items:
            try:
                size = (folder / item.id).stat().st_size
            except OSError:
                if item.id in wanted:
                    raise AutoALError(
                        f"{folder / item.id} has gone, and this run has asked for it; put it back"
                    ) from None
                gone.append(item.id)
                continue
            if size != item.bytes:
                raise changed(folder / item.id)
        pinned = {item.id: item.sha256 for item in self.items}
        for item in digests(folder, [name for name in pinned if name in wanted]):
            if item.sha256 != pinned[item.id]:
                raise changed(folder / item.id)
        return gone


def new_items(mean: Sequence[float], std: Sequence[float]) -> Items:
    """Return the items of a run that begins: none yet."""
    return Items(uuid.uuid4().hex, tuple(mean), tuple(std))


def changed(path: Path) -> AutoALError:
    """Return the error for a file that is not what it was."""
    return AutoALError(
        f"{path} has changed since this run began, so its label may be another picture's; put the old file "
        "back, or give the new picture another name"
    )


def digests(folder: Path, names: Sequence[str]) -> list[Item]:
    """Read files and return them as items.

    Raises:
        AutoALError: If one can't be read.
    """

    def digest(name: str) -> Item:
        path = folder / name
        try:
            with path.open("rb") as file:
                return Item(name, hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise AutoALError(f"cannot read {path}: {reason(error)}") from error

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as threads:
        return list(threads.map(digest, names))
