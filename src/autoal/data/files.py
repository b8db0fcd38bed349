"""Finding, fetching and checking the files of a dataset."""

from __future__ import annotations

import hashlib
import http.client
import os
import shlex
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from autoal.errors import AutoALError
from autoal.files import reason, temporary_beside

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        url: Where it is.
        digest: Its published checksum as ``"md5:<hex>"`` or ``"sha256:<hex>"``; empty where none is published.
        name: File name under the dataset's folder; default: the last part of the URL.
    """

    url: str
    digest: str = ""
    name: str = ""

    @property
    def filename(self) -> str:
        """Name of the file on disk."""
        return self.name or self.url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]


def missing_files(dataset: str, paths: Sequence[Path], root: Path, manual: str = "") -> AutoALError:
    """Build the error for files that are not there.

    Args:
        dataset: The words that ``autoal data`` takes for it: the config's name, and options that choose files.
        paths: Where its files were looked for.
        root: The data directory.
        manual: What to do where no command fetches the files.
    """
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    fetch = manual or f"fetch it where there is network: autoal data {dataset} --root {shlex.quote(str(root))}"
    return AutoALError(f"dataset {dataset}: no {paths[0]}{more}; {fetch}")


def find_file(*candidates: Path) -> Path | None:
    """Return the first of ``candidates`` that exists."""
    return next((path for path in candidates if path.exists()), None)


def digest_of(path: Path, algorithm: str = "md5") -> str:
    """Return the hex digest of a file."""
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def verify(path: Path, digest: str, advice: str = "delete it and fetch it again") -> None:
    """Check a file against its published checksum.

    Args:
        path: The file.
        digest: ``"md5:<hex>"`` or ``"sha256:<hex>"``; empty: only check that the file is there.
        advice: What to do, for the message.

    Raises:
        AutoALError: If it is missing or differs.
    """
    if not path.exists():
        raise AutoALError(f"no {path}")
    if not digest:
        return
    algorithm, _, expected = digest.partition(":")
    found = digest_of(path, algorithm)
    if found != expected:
        raise AutoALError(
            f"{path} is damaged or not the published file: {algorithm} {found}, published {expected}; {advice}"
        )


def verify_present(path: Path, digest: str) -> None:
    """Check a file that is about to be read, if it is there; see :func:`verify`.

    Raises:
        AutoALError: If it differs; says that ``dataset.verify=false`` reads it nevertheless.
    """
    if path.exists():
        verify(path, digest, "delete it and fetch it again, or set dataset.verify=false to read it nevertheless")


def download(remote: Remote, folder: Path) -> Path:
    """Fetch a file into ``folder`` unless it is there, and verify it.

    The file gets its name when it is complete and its checksum is right, so a broken transfer leaves
    nothing behind that looks like data.

    Raises:
        AutoALError: If it can't be fetched or its checksum is wrong.
    """
    target = folder / remote.filename
    if target.exists():
        verify(target, remote.digest)
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, partial = temporary_beside(target)
    except OSError as error:
        raise AutoALError(f"cannot write {target}: {reason(error)}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            _fetch(remote, target, file)
        verify(partial, remote.digest)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _fetch(remote: Remote, target: Path, file: BinaryIO) -> None:
    received = 0
    try:
        request = urllib.request.Request(remote.url, headers={"User-Agent": "autoal"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            while chunk := answer.read(_CHUNK):
                received += len(chunk)
                _write(file, chunk, target)
            promised = answer.headers.get("Content-Length")
        # A connection that breaks looks like the end of the file.
        if promised is not None and int(promised) != received:
            raise OSError(f"{received:,} of {int(promised):,} bytes came")
    except (OSError, http.client.HTTPException) as error:
        raise AutoALError(
            f"can't fetch {remote.url} ({error}); fetch it on a machine with network and put it at {target}"
        ) from error


def _write(file: BinaryIO, chunk: bytes, target: Path) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise AutoALError(f"cannot write {target}: {reason(error)}") from error
