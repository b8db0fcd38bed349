"""Downloads, checksums, archives and pickles: what is broken or hostile is refused in one line."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoal.data.archives import extract
from autoal.data.files import Remote, digest_of, download, verify
from autoal.data.unpickle import read_pickle
from autoal.errors import AutoALError
from tests.data.formats import WRITERS, write_mini_imagenet


class Hostile:
    """Runs a command when it is unpickled by anyone careless."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, marker = tmp_path / "x.pkl", tmp_path / "owned"
    path.write_bytes(pickle.dumps({"data": np.zeros(3), "labels": Hostile(marker)}))
    with pytest.raises(AutoALError, match=r"x.pkl is refused: it asks for posix.system"):
        read_pickle(path)
    assert not marker.exists()


def test_a_hostile_dataset_is_refused_through_the_loader(tmp_path: Path, dataset_of: Callable[..., Any]) -> None:
    WRITERS["cifar10"](tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(pickle.dumps(Hostile(tmp_path / "owned")))
    with pytest.raises(AutoALError, match="data_batch_2 is refused"):
        dataset_of("cifar10").load(tmp_path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_content_survives_every_protocol(protocol: int, tmp_path: Path) -> None:
    content = {"a": [1, 2.5, "x", b"y", None, True], "b": np.arange(6).reshape(2, 3), "c": np.float32(2)}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    back = read_pickle(tmp_path / "x.pkl")
    assert back["a"] == content["a"]
    assert np.array_equal(back["b"], np.arange(6).reshape(2, 3))
    assert back["c"] == 2


def test_a_truncated_pickle_is_one_line(tmp_path: Path, dataset_of: Callable[..., Any]) -> None:
    write_mini_imagenet(tmp_path)
    path = tmp_path / "mini_imagenet" / "mini-imagenet-cache-val.pkl"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(AutoALError, match=r"mini-imagenet-cache-val.pkl is truncated or damaged"):
        dataset_of("mini_imagenet").load(tmp_path)


def served(tmp_path: Path, content: bytes) -> str:
    """A URL that urllib really fetches, without a network."""
    source = tmp_path / "published" / "data.bin"
    source.parent.mkdir()
    source.write_bytes(content)
    return source.as_uri()


def test_download_fetches_verifies_and_does_not_fetch_again(tmp_path: Path) -> None:
    url = served(tmp_path, b"hello")
    digest = f"md5:{digest_of(tmp_path / 'published' / 'data.bin')}"
    target = download(Remote(url, digest), tmp_path / "root")
    assert target.read_bytes() == b"hello"
    (tmp_path / "published" / "data.bin").unlink()
    assert download(Remote(url, digest), tmp_path / "root") == target


def test_a_wrong_checksum_leaves_nothing_that_looks_like_data(tmp_path: Path) -> None:
    url = served(tmp_path, b"hello")
    with pytest.raises(AutoALError, match=r"damaged or not the published file: md5 5d41402abc4b"):
        download(Remote(url, "md5:00000000000000000000000000000000"), tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_no_network_says_where_to_put_the_file(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match="fetch it on a machine with network and put it at") as caught:
        download(Remote((tmp_path / "absent.bin").as_uri()), tmp_path / "root")
    assert str(tmp_path / "root" / "absent.bin") in str(caught.value)


def test_verify_takes_sha256_and_names_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    verify(tmp_path / "x", "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    with pytest.raises(AutoALError, match=r"no .*absent"):
        verify(tmp_path / "absent", "")


def make_tar(path: Path, members: dict[str, bytes | None]) -> None:
    with tarfile.open(path, "w:gz") as tape:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tape.addfile(info)
            else:
                info.size = len(content)
                tape.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("name", ["../evil", "/autoal-evil-test", "a/../../evil"])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_members_outside_the_target_are_refused_before_anything_is_written(
    kind: str, name: str, tmp_path: Path
) -> None:
    archive = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as bundle:
            bundle.writestr("good", b"1")
            bundle.writestr(name, b"2")
    else:
        make_tar(archive, {"good": b"1", name: b"2"})
    with pytest.raises(AutoALError, match="not safe to unpack"):
        extract(archive, tmp_path / "root")
    assert not (tmp_path / "root").exists()
    assert not (tmp_path / "evil").exists()


def test_links_in_a_tar_are_refused(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.gz", {"good": b"1", "link": None})
    with pytest.raises(AutoALError, match="neither a file nor a folder"):
        extract(tmp_path / "x.tar.gz", tmp_path / "root")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_good_archives_unpack_and_truncated_ones_are_one_line(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / f"x.{kind}"
    payload = np.random.default_rng(0).bytes(20_000)
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as bundle:
            bundle.writestr("a/b", payload)
    else:
        make_tar(archive, {"a/b": payload})
    extract(archive, tmp_path / "root")
    assert (tmp_path / "root/a/b").read_bytes() == payload
    archive.write_bytes(archive.read_bytes()[:9000])
    with pytest.raises(AutoALError, match="truncated or no archive") as caught:
        extract(archive, tmp_path / "other")
    assert "\n" not in str(caught.value)


def test_a_zip_with_a_wrong_checksum_inside_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("a", b"A" * 1000)
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(b"A" * 1000, b"A" * 999 + b"B"))
    with pytest.raises(AutoALError, match="checksum of a is wrong"):
        extract(archive, tmp_path / "root")


def test_prepare_refuses_files_that_are_not_the_published_ones(
    tmp_path: Path, dataset_of: Callable[..., Any]
) -> None:
    WRITERS["cifar10"](tmp_path)
    with pytest.raises(AutoALError, match="data_batch_1 is damaged or not the published file"):
        dataset_of("cifar10").prepare(tmp_path)
    WRITERS["organcmnist"](tmp_path)
    with pytest.raises(AutoALError, match=r"organcmnist.npz is damaged or not the published file"):
        dataset_of("organcmnist").prepare(tmp_path, fetch=False)


def test_prepare_fetches_and_unpacks_an_archive(
    tmp_path: Path, dataset_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS["waterbirds"](tmp_path / "there")
    name = "waterbird_complete95_forest2water2"
    archive = tmp_path / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tape:
        tape.add(tmp_path / "there" / name, name)
    monkeypatch.setattr("autoal.data.waterbirds._ARCHIVE", Remote(archive.as_uri()))
    dataset = dataset_of("waterbirds", "dataset.size=16", "dataset.cache=false")
    assert dataset.prepare(tmp_path / "root") == tmp_path / "root" / name
    assert len(dataset.load(tmp_path / "root")["train"]) == 8
    with pytest.raises(AutoALError, match=r"no .*metadata.csv"):
        dataset.prepare(tmp_path / "empty", fetch=False)
