"""IDX, CIFAR and SVHN: our readers against torchvision's on the same files, and damaged files."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets as tv

from autoal.data.base import Dataset
from autoal.data.cifar import Cifar
from autoal.data.idx import read_idx
from autoal.data.mnist import IdxImages
from autoal.data.svhn import SVHN
from autoal.errors import AutoALError
from tests.data.formats import WRITERS, idx_bytes, pixels, write_idx


def test_mnist_equals_torchvision(tmp_path: Path) -> None:
    WRITERS["mnist"](tmp_path)
    splits = IdxImages("mnist").load(tmp_path)
    for part in ("train", "test"):
        theirs = tv.MNIST(tmp_path, train=part == "train", download=False)
        assert torch.equal(splits[part].source.fetch(torch.arange(len(theirs)))[:, 0], theirs.data)
        assert torch.equal(splits[part].targets, theirs.targets)


def test_emnist_letters_stand_upright_and_start_at_zero(tmp_path: Path) -> None:
    names = tuple(f"emnist-letters-{{}}-{k}-ubyte" for k in ("images-idx3", "labels-idx1"))
    for part in ("train", "test"):
        write_idx(tmp_path / "EMNIST/raw", (names[0].format(part), names[1].format(part)), 52, 26, first=1)
    train = IdxImages("emnist_letters").load(tmp_path)["train"]
    raw = torch.from_numpy(pixels(52, 28, 28))
    assert torch.equal(train.source.fetch(torch.arange(52))[:, 0], raw.transpose(1, 2))
    assert train.targets.min() == 0
    assert train.targets.max() == 25


def test_gzipped_and_plain_idx_read_the_same(tmp_path: Path) -> None:
    array = pixels(3, 4, 5)
    (tmp_path / "plain").write_bytes(idx_bytes(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx_bytes(array)))
    assert torch.equal(read_idx(tmp_path / "plain", 3), read_idx(tmp_path / "packed.gz", 3))
    assert torch.equal(read_idx(tmp_path / "plain", 3), torch.from_numpy(array))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-7], "truncated or damaged"),
        (lambda raw: raw[:5], "truncated"),
        (lambda raw: b"\x1f" + raw[1:], "no IDX file"),
        (lambda raw: raw + b"\0", "truncated or damaged"),
    ],
)
def test_damaged_idx_is_one_line_with_the_file(
    damage: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    WRITERS["mnist"](tmp_path)
    path = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(AutoALError, match=message) as caught:
        IdxImages("mnist").load(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_gzip_is_one_line(tmp_path: Path) -> None:
    WRITERS["kmnist"](tmp_path)
    path = tmp_path / "KMNIST/raw/train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(AutoALError, match="truncated or damaged"):
        IdxImages("kmnist").load(tmp_path)


def test_label_out_of_range_names_file_and_row(tmp_path: Path) -> None:
    WRITERS["mnist"](tmp_path)
    path = tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte"
    raw = bytearray(path.read_bytes())
    raw[8 + 13] = 10
    path.write_bytes(bytes(raw))
    with pytest.raises(AutoALError, match=r"t10k-labels-idx1-ubyte row 13: label 10 is outside 0..9"):
        IdxImages("mnist").load(tmp_path)


def test_images_and_labels_must_be_as_many(tmp_path: Path) -> None:
    WRITERS["mnist"](tmp_path)
    (tmp_path / "MNIST/raw/train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(39, np.uint8)))
    with pytest.raises(AutoALError, match="39 labels for the 40 images"):
        IdxImages("mnist").load(tmp_path)


@pytest.mark.parametrize(("which", "theirs"), [("cifar10", tv.CIFAR10), ("cifar100", tv.CIFAR100)])
def test_cifar_equals_torchvision(
    which: str, theirs: type[tv.CIFAR10], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[which](tmp_path)
    (tmp_path / theirs.base_folder / theirs.meta["filename"]).write_bytes(
        pickle.dumps({theirs.meta["key"]: list(Cifar(which).info.class_names)})
    )
    # torchvision refuses files that are not the published ones.
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    splits = Cifar(which).load(tmp_path)
    for part in ("train", "test"):
        reference = theirs(str(tmp_path), train=part == "train", download=False)
        ours = splits[part].source.fetch(torch.arange(len(reference)))
        assert np.array_equal(ours.permute(0, 2, 3, 1).numpy(), reference.data)
        assert splits[part].targets.tolist() == reference.targets
        assert list(Cifar(which).info.class_names) == reference.classes


def test_cifar100_names_are_the_official_order() -> None:
    names = Cifar("cifar100").info.class_names
    assert len(names) == 100
    assert list(names) == sorted(names)


def test_svhn_equals_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["svhn"](tmp_path)
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda *args: True)
    splits = SVHN().load(tmp_path)
    for part in ("train", "test"):
        reference = tv.SVHN(str(tmp_path), split=part, download=False)
        assert np.array_equal(splits[part].source.fetch(torch.arange(len(reference))).numpy(), reference.data)
        assert splits[part].targets.tolist() == reference.labels.tolist()


def test_svhn_first_rows_protocol(tmp_path: Path) -> None:
    WRITERS["svhn"](tmp_path)
    whole, cut = SVHN().load(tmp_path), SVHN(n_train=15).load(tmp_path)
    assert len(cut["train"]) == 15
    assert torch.equal(cut["train"].targets, whole["train"].targets[:15])
    assert len(cut["test"]) == len(whole["test"])


@pytest.mark.parametrize(
    ("name", "file"), [("cifar10", "cifar-10-batches-py/data_batch_3"), ("svhn", "train_32x32.mat")]
)
def test_truncated_files_are_one_line(
    name: str, file: str, tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    WRITERS[name](tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AutoALError, match="truncated or damaged") as caught:
        dataset_of(name).load(tmp_path)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.data
def test_the_real_mnist_in_full(real_mnist: Path, dataset_of: Callable[..., Dataset]) -> None:
    dataset = dataset_of("mnist")
    splits = dataset.load(real_mnist)
    theirs = tv.MNIST(real_mnist, train=True, download=False)
    inputs = splits["train"].source.fetch(torch.arange(60_000))
    assert torch.equal(inputs[:, 0], theirs.data)
    assert torch.equal(splits["train"].targets, theirs.targets)
    assert splits["train"].targets.bincount().tolist() == [
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    ]
    assert len(splits["test"]) == 10_000
    x = inputs.double() / 255
    assert float(x.mean()) == pytest.approx(dataset.info.mean[0], abs=1e-4)
    assert float(x.std()) == pytest.approx(dataset.info.std[0], abs=1e-4)
