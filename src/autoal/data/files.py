"""Finding, fetching, checking and unpacking the files of a dataset."""

from __future__ import annotations

import hashlib
import tarfile
import urllib.request
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoal.errors import AutoALError

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
        dataset: Name of the dataset.
        paths: Where its files were looked for.
        root: The data directory.
        manual: What to do where no command fetches the files.
    """
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    fetch = manual or f"fetch it where there is network: autoal data {dataset} --root {root}"
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


def verify(path: Path, digest: str) -> None:
    """Check a file against its published checksum.

    Args:
        path: The file.
        digest: ``"md5:<hex>"`` or ``"sha256:<hex>"``; empty: only check that the file is there.

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
            f"{path} is damaged or not the published file: {algorithm} {found}, published {expected}; "
            "delete it and fetch it again"
        )


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
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    try:
        request = urllib.request.Request(remote.url, headers={"User-Agent": "autoal"})
        with urllib.request.urlopen(request, timeout=60) as answer, partial.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
        verify(partial, remote.digest)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise AutoALError(
            f"can't fetch {remote.url} ({error}); fetch it on a machine with network and put it at {target}"
        ) from error
    except AutoALError:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(target)
    return target


def extract(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive; refuse members that would land outside ``folder``.

    Every member is checked before the first is written.

    Args:
        archive: ``.zip``, ``.tar``, ``.tar.gz``/``.tgz``, ``.tar.bz2`` or ``.tar.xz``.
        folder: Target, made if needed.

    Raises:
        AutoALError: If the archive is truncated or unsafe.
    """
    target = folder.resolve()
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as bundle:
                for name in bundle.namelist():
                    _inside(target, name, archive)
                broken = bundle.testzip()
                if broken is not None:
                    raise AutoALError(f"{archive} is damaged: the checksum of {broken} is wrong")
                folder.mkdir(parents=True, exist_ok=True)
                bundle.extractall(target)
        else:
            with tarfile.open(archive) as tape:
                members = tape.getmembers()
                for member in members:
                    _inside(target, member.name, archive)
                    if not (member.isfile() or member.isdir()):
                        raise AutoALError(f"{archive} holds {member.name}, which is neither a file nor a folder")
                folder.mkdir(parents=True, exist_ok=True)
                tape.extractall(target, members=members, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise AutoALError(
            f"{archive} is truncated or no archive: {error}; delete it and fetch it again"
        ) from error


def _inside(target: Path, name: str, archive: Path) -> None:
    if not (target / name).resolve().is_relative_to(target):
        raise AutoALError(f"{archive} is not safe to unpack: {name!r} lies outside {target}")
