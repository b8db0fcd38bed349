"""Unpacking: a kill leaves no smaller data set, bombs and passwords are refused, modes follow the umask."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from autoal.data.archives import extract
from autoal.data.breakhis import BreakHis
from autoal.data.domainnet import DomainNet
from autoal.data.filesets import ImageFileDataset
from autoal.data.fingerprint import fingerprint
from autoal.data.tiny_imagenet import TinyImageNet
from autoal.data.waterbirds import Waterbirds
from autoal.errors import AutoALError
from tests.data.formats import WRITERS, pixels

SETS: dict[str, tuple[Callable[..., ImageFileDataset], str, str, str]] = {
    "breakhis": (BreakHis, "", "BreaKHis_v1", "BreaKHis_v1.tar.gz"),
    "tiny_imagenet": (TinyImageNet, "", "tiny-imagenet-200", "tiny-imagenet-200.zip"),
    "waterbirds": (
        Waterbirds,
        "",
        "waterbird_complete95_forest2water2",
        "waterbird_complete95_forest2water2.tar.gz",
    ),
    "domainnet_real": (DomainNet, "domainnet", "real", "real.zip"),
}
"""Class, folder that the archive is unpacked in, folder in the archive, name of the archive."""

DIE = """
import os, signal, sys
from pathlib import Path
n = 0
def count(event, args):
    global n
    if event == "open" and str(args[0]).startswith(sys.argv[2]):
        if isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
            n += 1
            if n > int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
from autoal.data.archives import extract
extract(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def pack(archive: Path, base: Path, name: str) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as bundle:
            for file in sorted((base / name).rglob("*")):
                bundle.write(file, file.relative_to(base))
    else:
        with tarfile.open(archive, "w:gz") as tape:
            tape.add(base / name, name)


def unpack_and_die(archive: Path, folder: Path, after: int) -> None:
    """Unpack in a process that gets SIGKILL when it opens file number ``after`` + 1."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", DIE, str(archive), str(folder), str(after)], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def files_below(folder: Path) -> list[Path]:
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("after", [1, 4, 8])
@pytest.mark.parametrize("name", SETS)
def test_a_killed_unpack_leaves_nothing_that_looks_like_data(
    name: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, inside, top, archive = SETS[name]
    WRITERS[name](tmp_path / "whole")
    pack(tmp_path / archive, tmp_path / "whole" / inside, top)
    root = tmp_path / "root"
    unpack_and_die(tmp_path / archive, root / inside, after)
    assert not (root / inside / top).exists()
    # The next run, as a user would start it: it fetches, unpacks anew and sweeps what the dead process left.
    published = (tmp_path / archive).as_uri()
    if name == "domainnet_real":
        (tmp_path / "domainnet").mkdir()
        (tmp_path / "domainnet" / "txt").symlink_to(tmp_path / "whole" / "domainnet")
        monkeypatch.setattr("autoal.data.domainnet._BASE", published.rpartition("/")[0])
    else:
        remote = sys.modules[kind.__module__].__dict__["Remote"](published)
        monkeypatch.setattr(f"{kind.__module__}._ARCHIVE", remote)
    kind(cache=False).prepare(root)
    assert not list((root / inside).glob(".*unpacking"))
    assert files_below(root / inside / top) == files_below(tmp_path / "whole" / inside / top)
    assert fingerprint(kind(cache=False).load(root)) == fingerprint(kind(cache=False).load(tmp_path / "whole"))


def test_twelve_hundred_images_are_twelve_hundred_after_a_kill(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels(8, 8, 3)).save(stream, "PNG")
    archive = tmp_path / "BreaKHis_v1.tar.gz"
    with tarfile.open(archive, "w:gz") as tape:
        for c, name in enumerate(("benign", "malignant")):
            for i in range(600):
                tag = f"SOB_A_14-{c}{i // 100}"
                path = f"BreaKHis_v1/histology_slides/breast/{name}/SOB/kind/{tag}/40X/{tag}-40-{i:03d}.png"
                info = tarfile.TarInfo(path)
                info.size = len(stream.getvalue())
                tape.addfile(info, io.BytesIO(stream.getvalue()))
    unpack_and_die(archive, tmp_path / "root", 750)
    with pytest.raises(AutoALError, match=r"dataset breakhis: no .*; fetch it"):
        BreakHis(cache=False, size=8).load(tmp_path / "root")
    extract(archive, tmp_path / "root")
    splits = BreakHis(cache=False, size=8).load(tmp_path / "root")
    assert sum(len(split) for split in splits.values()) == 1200


def test_what_a_living_process_unpacks_is_not_swept(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("a/b", b"1")
    extract(archive, tmp_path / "root")
    mine = next(iter((tmp_path / "root").iterdir()))
    host = os.uname().nodename.replace(".", "-")
    alive = tmp_path / "root" / f".x.zip.{host}.{os.getppid()}.00000000.unpacking"
    other = tmp_path / "root" / ".x.zip.another-machine.999999999.00000000.unpacking"
    dead = tmp_path / "root" / f".x.zip.{host}.999999999.00000000.unpacking"
    for folder in (alive, other, dead):
        folder.mkdir()
    extract(archive, tmp_path / "root")
    assert sorted((tmp_path / "root").iterdir()) == sorted([alive, other, mine])


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.usefixtures("umask")
def test_modes_follow_the_umask_whatever_the_archive_says(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as bundle:
            bundle.writestr("a/b", b"1")
    else:
        with tarfile.open(archive, "w:gz") as tape:
            info = tarfile.TarInfo("a/b")
            info.size, info.mode = 1, 0o600
            tape.addfile(info, io.BytesIO(b"1"))
    extract(archive, tmp_path / "root")
    assert (tmp_path / "root/a/b").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "root/a").stat().st_mode & 0o777 == 0o750


def zeros(path: Path, n_bytes: int, kind: str) -> Path:
    """An archive of zeros, written without holding them."""
    archive = path / f"bomb.{kind}"
    if kind == "zip":
        with (
            zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle,
            bundle.open("zeros", "w", force_zip64=True) as file,
        ):
            for _ in range(n_bytes >> 20):
                file.write(bytes(1 << 20))
    else:
        with tarfile.open(archive, "w:gz") as tape:
            info = tarfile.TarInfo("zeros")
            info.size = n_bytes
            with Path("/dev/zero").open("rb") as file:
                tape.addfile(info, file)
    return archive


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_refused_before_it_is_unpacked(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoal.data.archives._ALWAYS_FINE", 1 << 20)
    archive = zeros(tmp_path, 8 << 20, kind)
    with pytest.raises(AutoALError, match=r"not safe to unpack: [\d,]+ bytes claim to hold more than"):
        extract(archive, tmp_path / "root")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_what_does_not_fit_on_the_disk_is_not_begun(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zeros(tmp_path, 8 << 20, kind)
    monkeypatch.setattr("autoal.data.archives.free_space", lambda folder: 5 << 20)
    with pytest.raises(AutoALError, match=r"disk full: .*bomb.* holds more than the 5,242,880 bytes"):
        extract(archive, tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("secret", b"1234")
    raw = bytearray(archive.read_bytes())
    # Bit 0 of the flags: in the local header 6 bytes after its signature, in the directory 8 bytes after.
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(raw))
    with pytest.raises(AutoALError, match=r"x\.zip is encrypted \(secret needs a password\)"):
        extract(archive, tmp_path / "root")


def test_files_that_exist_are_replaced_and_others_stay(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("a/b", b"new")
        bundle.writestr("a/c", b"new")
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root/a/b").write_text("old")
    (tmp_path / "root/a/mine").write_text("mine")
    extract(archive, tmp_path / "root")
    assert {p.name: p.read_text() for p in (tmp_path / "root/a").iterdir()} == {
        "b": "new",
        "c": "new",
        "mine": "mine",
    }
