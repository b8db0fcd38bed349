"""Unpacking archives: safe, bounded, and whole or not at all."""

from __future__ import annotations

import lzma
import os
import secrets
import shutil
import socket
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoal.errors import AutoALError
from autoal.files import atomic_open, reason

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
"""What Python's readers raise for archives that are cut off or damaged."""
LARGEST_RATIO = 100
"""No published data set shrinks to less than a hundredth; an archive that claims more is a bomb."""
_ALWAYS_FINE = 1 << 30
_STAGED = ".unpacking"


def extract(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into ``folder``; what has its final name is whole.

    Every member is checked before the first is written. They are written to a hidden folder beside their
    places, compared with the archive's listing, and renamed, the largest tree last: a process that is killed
    meanwhile leaves nothing that looks like data. Files that exist already are replaced.

    Args:
        archive: ``.zip``, ``.tar``, ``.tar.gz``/``.tgz``, ``.tar.bz2`` or ``.tar.xz``.
        folder: Target, made if needed.

    Raises:
        AutoALError: If the archive is truncated, encrypted or unsafe, or what it holds does not fit on the disk.
    """
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as bundle:
                sizes = _zip_sizes(bundle, archive, folder)
                with _staging(archive, folder) as staged:
                    _unzip(bundle, archive, staged)
                    _move(staged, folder, sizes, archive)
        else:
            with tarfile.open(archive) as tape:
                sizes = _tar_sizes(tape, archive, folder)
                with _staging(archive, folder) as staged:
                    tape.extractall(staged, filter=_by_umask)
                    _move(staged, folder, sizes, archive)
    except DAMAGED as error:
        raise AutoALError(
            f"{archive} is truncated or no archive: {error}; delete it and fetch it again"
        ) from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile: a password, an unknown compression
        raise AutoALError(f"{archive} can't be unpacked: {error}") from error
    except OSError as error:
        if error.errno is None:  # gzip's own: not a gzipped file, a wrong checksum
            raise AutoALError(
                f"{archive} is truncated or no archive: {error}; delete it and fetch it again"
            ) from error
        raise AutoALError(f"cannot unpack {archive} into {folder}: {reason(error)}") from error


def extract_member(archive: Path, name: str, target: Path) -> None:
    """Unpack one member of a zip archive, whole or not at all; processes that race write the same content.

    Raises:
        AutoALError: If it is encrypted or does not fit on the disk.
    """
    with zipfile.ZipFile(archive) as bundle:
        member = bundle.getinfo(name)
        if member.flag_bits & 1:
            raise AutoALError(f"{archive} is encrypted ({name} needs a password)")
        if member.file_size > free_space(target.parent):
            raise AutoALError(f"disk full: {name} of {archive} takes {member.file_size:,} bytes")
        with atomic_open(target, "wb") as file, bundle.open(member) as content:
            shutil.copyfileobj(content, file, 1 << 20)


def _zip_sizes(bundle: zipfile.ZipFile, archive: Path, folder: Path) -> dict[str, int]:
    limit = _Limit(archive, folder)
    sizes: dict[str, int] = {}
    for member in bundle.infolist():
        _inside(folder, member.filename, archive)
        if member.flag_bits & 1:
            raise AutoALError(f"{archive} is encrypted ({member.filename} needs a password); unpack it by hand")
        if not member.is_dir():
            limit.add(member.file_size)
            sizes[_plain(member.filename)] = member.file_size
    return sizes


def _tar_sizes(tape: tarfile.TarFile, archive: Path, folder: Path) -> dict[str, int]:
    limit = _Limit(archive, folder)
    sizes: dict[str, int] = {}
    # Reads header by header and stops at the first that is too much, so a bomb is not read to its end.
    for member in tape:
        _inside(folder, member.name, archive)
        if not (member.isfile() or member.isdir()):
            raise AutoALError(f"{archive} holds {member.name}, which is neither a file nor a folder")
        if member.isfile():
            limit.add(member.size)
            sizes[_plain(member.name)] = member.size
    return sizes


class _Limit:
    """Adds up what an archive says it holds, and refuses what can't be meant or does not fit."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive = archive
        self._folder = folder
        self._packed = archive.stat().st_size
        self._free = free_space(folder)
        self._total = 0

    def add(self, n_bytes: int) -> None:
        self._total += n_bytes
        if self._total > max(_ALWAYS_FINE, LARGEST_RATIO * self._packed):
            raise AutoALError(
                f"{self._archive} is not safe to unpack: {self._packed:,} bytes claim to hold more than "
                f"{self._total - 1:,}"
            )
        if self._total > self._free:
            raise AutoALError(
                f"disk full: {self._archive} holds more than the {self._free:,} bytes that are free at "
                f"{self._folder}"
            )


def free_space(folder: Path) -> int:
    """Return the bytes that are free on the disk where ``folder`` is or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _unzip(bundle: zipfile.ZipFile, archive: Path, staged: Path) -> None:
    for member in bundle.infolist():
        try:
            bundle.extract(member, staged)
        except zipfile.BadZipFile as error:
            raise AutoALError(
                f"{archive} is damaged: the checksum of {member.filename} is wrong ({error})"
            ) from error


def _plain(name: str) -> str:
    return os.path.normpath(name)


def _by_umask(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    # Without a mode of its own a file gets the umask's, so whoever may read the folder may read the data.
    return tarfile.data_filter(member, path).replace(mode=None, deep=False)  # type: ignore[arg-type]


def _inside(target: Path, name: str, archive: Path) -> None:
    # There are no links among the members and the folder they are written to is new: the name alone decides.
    if Path(name).is_absolute() or Path(_plain(name)).parts[:1] == (os.pardir,):
        raise AutoALError(f"{archive} is not safe to unpack: {name!r} lies outside {target}")


@contextmanager
def _staging(archive: Path, folder: Path) -> Iterator[Path]:
    """Make a hidden folder in ``folder``, removed at the end; those that killed processes left go first."""
    folder.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().replace(".", "-")
    mine = f".{archive.name}.{host}."
    for left in folder.iterdir():
        pid = left.name.removeprefix(mine).partition(".")[0]
        if left.name.startswith(mine) and left.name.endswith(_STAGED) and not _alive(pid):
            shutil.rmtree(left, ignore_errors=True)
    staged = folder / f"{mine}{os.getpid()}.{secrets.token_hex(4)}{_STAGED}"
    staged.mkdir()
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _move(staged: Path, folder: Path, sizes: dict[str, int], archive: Path) -> None:
    """Compare what was written with the listing, then give it its names."""
    for name, size in sizes.items():
        path = staged / name
        found = path.stat().st_size if path.is_file() else -1
        if found != size:
            written = "was not written" if found < 0 else f"has {found:,} bytes"
            raise AutoALError(f"{archive}: {name} {written}, {size:,} are listed; unpack it again")
    tops = [Path(name).parts[0] for name in sizes]
    for entry in sorted(staged.iterdir(), key=lambda e: (tops.count(e.name), e.name)):
        _put(entry, folder / entry.name)


def _put(source: Path, target: Path) -> None:
    if source.is_dir() and target.is_dir():
        for entry in sorted(source.iterdir()):
            _put(entry, target / entry.name)
    else:
        source.replace(target)
