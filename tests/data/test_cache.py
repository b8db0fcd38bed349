"""The cache of decoded images: a full disk is a warning, foreign content is noticed, everybody may read it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoal.data import cache
from autoal.data.cache import cache_key, cached
from autoal.data.images import Decoder, ImageFiles
from autoal.data.memmap import ArraySource
from tests.data.formats import pixels, save_image

ROWS = torch.arange(12)

FILL = """
import logging, sys
from pathlib import Path
import autoal.data.cache as cache
from autoal.data.images import Decoder, ImageFiles
logging.basicConfig(format="%(message)s")
if sys.argv[3] == "unforeseen":  # another process fills the disk after the look at the free space
    cache.free_space = lambda folder: 1 << 60
paths = sorted(Path(sys.argv[1]).glob("*.png"))
files = ImageFiles(paths, Decoder(3, (400, 400)), (3, 400, 400))
print(type(cache.cached(files, Path(sys.argv[2]) / "cache")).__name__)
"""


def images(folder: Path, n: int = 12, first: int = 0) -> ImageFiles:
    for i in range(n):
        save_image(folder / f"{i:02d}.png", pixels(8, 8, 3, seed=first + i))
    return ImageFiles(sorted(folder.glob("*.png")), Decoder(3, (8, 8)), (3, 8, 8))


def test_of_several_that_want_a_cache_one_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks belong to open files, so threads stand for the ranks of a job."""
    files, folder, written = images(tmp_path / "images"), tmp_path / "cache", []
    write, together = cache._write, threading.Barrier(3)

    def slowly(*args: Any) -> None:
        written.append(args)
        time.sleep(0.3)
        write(*args)

    def rank(number: int) -> ArraySource | ImageFiles:
        together.wait()
        return cached(files, folder)

    monkeypatch.setattr(cache, "_write", slowly)
    with ThreadPoolExecutor(3) as pool:
        sources = list(pool.map(rank, range(3)))
    assert len(written) == 1
    assert len(list(folder.iterdir())) == 1, "the file alone is left"
    for source in sources:
        assert isinstance(source, ArraySource)
        assert torch.equal(source.fetch(ROWS), files.fetch(ROWS))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"this machine mounts no small file system: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("when", ["foreseen", "unforeseen"])
def test_a_full_disk_is_one_line_and_no_signal(when: str, small_disk: Path, tmp_path: Path) -> None:
    images(tmp_path / "images")  # 12 x 480,000 bytes decoded
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "images"), str(small_disk), when],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ImageFiles\n"
    assert "5,760,000 bytes" in done.stderr
    assert "disk full" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list((small_disk / "cache").iterdir()) == [], "a part of a cache is left"


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077], indirect=True)
def test_the_mode_is_the_umasks(umask: int, tmp_path: Path) -> None:
    cached(images(tmp_path / "images"), tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("foreign", ["zeros", "shape", "dtype", "truncated", "text", "one image"])
def test_foreign_content_is_not_used(foreign: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = images(tmp_path / "images")
    cached(files, tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    right = np.load(path)
    if foreign == "truncated":
        path.write_bytes(path.read_bytes()[:300])
    elif foreign == "text":
        path.write_text("hello")
    else:
        other = {
            "zeros": np.zeros_like(right),
            "shape": right[:, :, :7],
            "dtype": right.view(np.int8),
            "one image": np.concatenate([right[:-1], right[:1]]),
        }[foreign]
        np.save(path, other)
    source = cached(files, tmp_path / "cache")
    assert isinstance(source, ArraySource)
    assert torch.equal(source.fetch(ROWS), files.fetch(ROWS))
    assert len(caplog.records) == 1
    assert "images are decoded once more" in caplog.text
    assert list((tmp_path / "cache").iterdir()) == [path]
    caplog.clear()
    cached(files, tmp_path / "cache")
    assert not caplog.records


def test_the_name_follows_path_size_time_and_decoder_and_not_the_root(tmp_path: Path) -> None:
    files = images(tmp_path / "a" / "images")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    moved = ImageFiles(sorted((tmp_path / "b" / "images").glob("*.png")), files.decoder, files.shape)
    key = cache_key(files, tmp_path / "a")
    assert cache_key(moved, tmp_path / "b") == key
    keys = {key}
    os.utime(moved.paths[3], ns=(0, 1))
    keys.add(cache_key(moved, tmp_path / "b"))
    keys.add(cache_key(ImageFiles(files.paths, Decoder(3, (8, 8), "stretch"), files.shape), tmp_path / "a"))
    keys.add(cache_key(files.select(torch.arange(11)), tmp_path / "a"))
    keys.add(cache_key(files.select(torch.arange(12).flip(0)), tmp_path / "a"))
    assert len(keys) == 5


def test_what_killed_processes_left_is_swept_and_what_others_write_is_not(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    old, new = tmp_path / "cache" / ".x.npy.0a.tmp", tmp_path / "cache" / ".y.npy.0b.tmp"
    for path in (old, new):
        path.write_bytes(b"part")
    os.utime(old, (0, 0))
    cached(images(tmp_path / "images"), tmp_path / "cache")
    assert not old.exists()
    assert new.exists()
