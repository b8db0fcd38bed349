"""MedMNIST: the package's own reader on the same file, sizes, refusals and large files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import medmnist
import numpy as np
import pytest
import torch

from autoal.data.base import Dataset
from autoal.data.medmnist import MedMNIST
from autoal.data.memmap import ArraySource
from autoal.errors import AutoALError
from tests.data.formats import MEDMNIST, write_medmnist


@pytest.mark.parametrize("name", ["organcmnist", "pathmnist", "retinamnist"])
def test_equals_the_medmnist_package(name: str, tmp_path: Path) -> None:
    write_medmnist(name, *MEDMNIST[name])(tmp_path)
    ours = MedMNIST(name).load(tmp_path)
    theirs = getattr(medmnist, medmnist.INFO[name]["python_class"])
    for part in ("train", "val", "test"):
        reference = theirs(split=part, root=str(tmp_path / "medmnist"), download=False)
        images = reference.imgs if reference.imgs.ndim == 4 else reference.imgs[..., None]
        fetched = ours[part].source.fetch(torch.arange(len(images)))
        assert np.array_equal(fetched.permute(0, 2, 3, 1).numpy(), images)
        assert ours[part].targets.tolist() == reference.labels[:, 0].tolist()


def test_class_counts_and_licences_come_from_the_package(dataset_of: Callable[..., Dataset]) -> None:
    for name, (n_classes, channels) in MEDMNIST.items():
        info = dataset_of(name).info
        assert (info.n_classes, info.input_shape) == (n_classes, (channels, 28, 28))
        assert info.licence.startswith("CC BY")
        assert len(info.class_names) == n_classes


@pytest.mark.parametrize("size", [64, 128, 224])
def test_larger_sizes_are_other_files(size: int, tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    write_medmnist("breastmnist", 2, 1, size)(tmp_path)
    dataset = dataset_of("breastmnist", f"dataset.size={size}")
    splits = dataset.load(tmp_path)
    assert splits["train"].source.fetch(torch.tensor([0])).shape == (1, 1, size, size)
    assert dataset.info.input_shape == (1, size, size)


def test_large_files_are_mapped_and_hold_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_medmnist("pathmnist", 9, 3)(tmp_path)
    small = MedMNIST("pathmnist").load(tmp_path)
    monkeypatch.setattr("autoal.data.medmnist._IN_MEMORY_BYTES", 100)
    large = MedMNIST("pathmnist").load(tmp_path)
    source = large["train"].source
    assert isinstance(source, ArraySource)
    assert source.array.base is not None
    rows = torch.tensor([3, 0, 7])
    assert torch.equal(source.fetch(rows), small["train"].source.fetch(rows))
    # The second time nothing is unpacked.
    again = MedMNIST("pathmnist").load(tmp_path)
    assert torch.equal(again["train"].source.fetch(rows), small["train"].source.fetch(rows))


def test_multi_label_and_unknown_sets_and_sizes_are_refused_with_a_reason() -> None:
    with pytest.raises(AutoALError, match="chestmnist is multi-label"):
        MedMNIST("chestmnist")
    with pytest.raises(AutoALError, match="Did you mean 'organcmnist'"):
        MedMNIST("organcmnst")
    with pytest.raises(AutoALError, match="size=32: MedMNIST has 28, 64, 128, 224"):
        MedMNIST("organcmnist", size=32)


def test_truncated_and_wrong_files_are_one_line(tmp_path: Path) -> None:
    write_medmnist("breastmnist", 2, 1)(tmp_path)
    path = tmp_path / "medmnist" / "breastmnist.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    with pytest.raises(AutoALError, match=r"breastmnist.npz is truncated or damaged"):
        MedMNIST("breastmnist").load(tmp_path)
    write_medmnist("bloodmnist", 2, 1)(tmp_path)
    with pytest.raises(
        AutoALError, match=r"bloodmnist.npz: train images are uint8 \(8, 28, 28\), not uint8 \(8, 28"
    ):
        MedMNIST("bloodmnist").load(tmp_path)
    with np.load(path.with_name("bloodmnist.npz")) as arrays:
        content = dict(arrays)
    path.write_bytes(whole)
    np.savez(path, **{**content, "val_labels": np.full_like(content["val_labels"], 2)})
    with pytest.raises(AutoALError, match=r"row 0: label 2 is outside 0..1"):
        MedMNIST("breastmnist").load(tmp_path)
