"""Data that can't be right are one line, the same for ``autoal data`` and for training."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoal.data import mnist
from autoal.data.base import Dataset
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.features import Features
from autoal.data.files import Remote, download
from autoal.data.loading import load_splits
from autoal.data.medmnist import MedMNIST
from autoal.errors import AutoALError
from tests.data.formats import MEDMNIST, WRITERS, labels, pixels, save_image, write_idx, write_medmnist

PUBLISHED = [
    *("mnist", "fashion_mnist", "kmnist", "emnist_letters", "emnist_byclass", "emnist_balanced", "svhn"),
    *("cifar10", "cifar10_imb", "cifar100", "tiny_imagenet", "mini_imagenet", "domainnet_real", "waterbirds"),
    *("breakhis", "domainnet_real_mini", *MEDMNIST),
]


PHOTOGRAPHS = ("domainnet_real", "domainnet_real_mini", "waterbirds", "breakhis")


def one_line(dataset: Dataset, root: Path, match: str) -> None:
    with pytest.raises(AutoALError, match=match) as caught:
        ActiveLearningDataModule(dataset, root).setup()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", PUBLISHED)
def test_training_refuses_what_is_not_published_unless_it_is_told_not_to(
    name: str, tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    WRITERS[name](tmp_path)
    small = ["dataset.size=16"] if name in PHOTOGRAPHS else []
    one_line(dataset_of(name, *small), tmp_path, r"not the published file|are published.*verify=false reads it")
    splits = load_splits(dataset_of(name, *small, "dataset.verify=false"), tmp_path)
    assert len(splits["train"])


def test_the_first_samples_of_a_published_set_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset_of: Callable[..., Dataset]
) -> None:
    for part, n in (("train", 40), ("t10k", 20)):
        write_idx(tmp_path / "MNIST/raw", (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"), n, 10)
    monkeypatch.setitem(mnist._SETS, "mnist", replace(mnist._SETS["mnist"], sizes=(40, 20)))
    assert len(load_splits(dataset_of("mnist", "+dataset.n_train=30"), tmp_path)["train"]) == 30
    assert len(load_splits(dataset_of("mnist", "+dataset.n_train=50"), tmp_path)["train"]) == 40
    monkeypatch.setitem(mnist._SETS, "mnist", replace(mnist._SETS["mnist"], sizes=(60, 20)))
    one_line(
        dataset_of("mnist", "+dataset.n_train=50"), tmp_path, "40 train samples below .* where 50 are published"
    )


def features(path: Path, **changes: Any) -> Features:
    arrays: dict[str, Any] = {}
    for part, n in (("train", 30), ("val", 9), ("test", 15)):
        arrays[f"{part}_features"] = np.random.default_rng(n).normal(size=(n, 6)).astype(np.float32)
        arrays[f"{part}_labels"] = labels(n, 3)
    arrays |= changes
    np.savez(path / "x.npz", **arrays)
    return Features("x.npz")


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">f2", "longdouble", "<f4"])
@pytest.mark.parametrize("mapped", [False, True])
def test_every_floating_type_is_read(dtype: str, mapped: bool, tmp_path: Path) -> None:
    plain = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float16)
    dataset = features(tmp_path, train_features=plain.astype(dtype), train_labels=labels(30, 3).astype(">i4"))
    if mapped:
        with np.load(tmp_path / "x.npz") as arrays:
            for name in arrays.files:
                (tmp_path / "folder").mkdir(exist_ok=True)
                np.save(tmp_path / "folder" / name, arrays[name])
        dataset = Features("folder")
    train = load_splits(dataset, tmp_path)["train"]
    rows = torch.arange(30)
    assert torch.equal(train.source.fetch(rows).double(), torch.from_numpy(plain.astype(np.float64)))
    assert train.source.nbytes == train.source.fetch(rows).nbytes
    assert train.targets.tolist() == labels(30, 3).tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_labels": np.array([10**12, *range(29)])},
            r"train label 1000000000000 in row 0.*set dataset",
        ),
        (
            {"train_labels": np.array([2**64 - 1, *range(29)], dtype=np.uint64)},
            r"hold 18446744073709551615 in row 0, which is no class number",
        ),
        ({"train_labels": np.full(30, -1)}, r"largest train label is -1, at least 2 classes"),
        ({"train_features": np.zeros((0, 6)), "train_labels": np.zeros(0, int)}, "has no train samples"),
        ({"val_features": np.zeros((0, 6)), "val_labels": np.zeros(0, int)}, "has no val samples"),
        ({"test_features": np.zeros((0, 6)), "test_labels": np.zeros(0, int)}, "has no test samples"),
        (
            {"test_features": np.zeros((15, 7), np.float32)},
            r"train samples have shape \(6,\), test samples \(7,\)",
        ),
        ({"val_features": np.zeros((9, 5), np.float32)}, r"train samples have shape \(6,\), val samples \(5,\)"),
    ],
    ids=["10^12", "2^64", "unknown", "no train", "no val", "no test", "wide test", "narrow val"],
)
def test_features_that_can_not_be_right(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    one_line(features(tmp_path, **changes), tmp_path, message)


def encrypt(path: Path) -> None:
    """Set the flag that says so in every header; nothing can read the members then."""
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.find(signature)
        while at >= 0:
            raw[at + offset] |= 1
            at = raw.find(signature, at + 4)
    path.write_bytes(bytes(raw))


def test_encrypted_archives_of_arrays_say_so(tmp_path: Path) -> None:
    dataset = features(tmp_path)
    encrypt(tmp_path / "x.npz")
    one_line(dataset, tmp_path, r"x\.npz .*encrypted")
    write_medmnist("breastmnist", 2, 1)(tmp_path)
    encrypt(tmp_path / "medmnist" / "breastmnist.npz")
    medmnist = MedMNIST("breastmnist")
    medmnist.verify = False
    one_line(medmnist, tmp_path, r"breastmnist\.npz .*encrypted")


def test_medmnist_says_which_of_labels_and_images_is_short(tmp_path: Path) -> None:
    write_medmnist("breastmnist", 2, 1)(tmp_path)
    path = tmp_path / "medmnist" / "breastmnist.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **{**content, "train_labels": content["train_labels"][:5]})
    dataset = MedMNIST("breastmnist")
    dataset.verify = False
    one_line(dataset, tmp_path, r"breastmnist\.npz: 5 train labels for 8 train images")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pathmnist", ["dataset.size=224"], "pathmnist size=224"),
        ("pathmnist", ["dataset.name=mine"], "pathmnist"),
        ("cifar10", ["dataset.name=mine"], "cifar10"),
        ("mnist", ["dataset.name=mine"], "mnist"),
        ("svhn", ["dataset.name=mine"], "svhn"),
        ("waterbirds", ["dataset.name=mine"], "waterbirds"),
        ("domainnet_real", ["dataset.domain=sketch"], "domainnet_real domain=sketch"),
    ],
)
def test_the_hint_fetches_the_very_files(
    name: str, options: list[str], words: str, tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    root = tmp_path / "my data"
    one_line(dataset_of(name, *options), root, rf"autoal data {words} --root '{root}'")


@pytest.mark.parametrize("name", ["image_folder", "table", "features"])
def test_a_path_of_5000_characters_is_one_short_line(
    name: str, tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    one_line(dataset_of(name, f"dataset.path={'a' * 5000}"), tmp_path, r"File name too long|characters\)")


def test_a_manifest_name_of_5000_characters_is_one_short_line(
    tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    save_image(tmp_path / "mine" / "x.png", pixels(8, 8, 3))
    one_line(
        dataset_of("image_folder", "dataset.path=mine", f"dataset.manifest={'a' * 5000}"),
        tmp_path,
        r"File name too long|characters\)",
    )


class Cut(http.server.BaseHTTPRequestHandler):
    """Promises 1,000 bytes and hangs up after 10."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def cut() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/list.txt"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_transfer_that_breaks_off_is_no_file_even_without_a_checksum(cut: str, tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match=r"can't fetch .*10 of 1,000 bytes came"):
        download(Remote(cut), tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_large_medmnist_files_are_verified_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_medmnist("breastmnist", 2, 1)(tmp_path)
    monkeypatch.setattr("autoal.data.medmnist._IN_MEMORY_BYTES", 100)
    dataset = MedMNIST("breastmnist")
    with pytest.raises(AutoALError, match="not the published file"):
        dataset.verify_files(tmp_path)
    dataset.load(tmp_path)
    dataset.verify_files(tmp_path)
    assert sorted(p.name for p in (tmp_path / "medmnist" / "breastmnist").iterdir()) == [
        f"{part}_images.npy" for part in ("test", "train", "val")
    ]


def test_a_full_disk_while_an_array_is_unpacked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_medmnist("breastmnist", 2, 1)(tmp_path)
    monkeypatch.setattr("autoal.data.medmnist._IN_MEMORY_BYTES", 100)
    monkeypatch.setattr("autoal.data.archives.free_space", lambda folder: 1000)
    with pytest.raises(AutoALError, match=r"disk full: train_images\.npy of .*\.npz takes [\d,]+ bytes"):
        MedMNIST("breastmnist").load(tmp_path)


def test_class_subsets_of_an_empty_part_and_overflowing_labels(
    tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    import pickle

    WRITERS["cifar10"](tmp_path)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    batch = pickle.loads(path.read_bytes())
    batch["labels"][3] = 10**30
    path.write_bytes(pickle.dumps(batch, protocol=2))
    one_line(dataset_of("cifar10", "dataset.verify=false"), tmp_path, "data_batch_1 is no batch of cifar10")
    batch["labels"][3] = 10**12
    path.write_bytes(pickle.dumps(batch, protocol=2))
    one_line(
        dataset_of("cifar10", "dataset.verify=false"), tmp_path, r"row 3: label 1000000000000 is outside 0\.\.9"
    )


def test_idx_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    from autoal.data.idx import read_idx

    monkeypatch.setattr("autoal.data.idx._LARGEST", 1 << 20)
    with gzip.open(tmp_path / "x.gz", "wb") as file:
        file.write(bytes((0, 0, 8, 1)) + (8 << 20).to_bytes(4, "big") + bytes(8 << 20))
    with pytest.raises(AutoALError, match=r"x\.gz is truncated or damaged: 1048577 bytes where its header says"):
        read_idx(tmp_path / "x.gz", 1)
