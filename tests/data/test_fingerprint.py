"""The fingerprint: the same for the same data however they are read, another one for any change that counts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from autoal.data.base import Dataset, Split, TensorSource
from autoal.data.build import build_augmentations
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.fingerprint import VERSION, fingerprint
from autoal.data.memmap import ArraySource, open_array
from autoal.distributed import World
from autoal.errors import AutoALError
from tests.data.formats import OVERRIDES, WRITERS, pixels, save_image

IMAGES = ["image_folder", "waterbirds", "tiny_imagenet", "breakhis", "domainnet_real"]


def in_memory() -> dict[str, Split]:
    inputs = torch.from_numpy(pixels(20, 1, 4, 4))
    return {
        "train": Split(TensorSource(inputs[:12].clone()), torch.arange(12) % 3),
        "test": Split(TensorSource(inputs[12:].clone()), torch.arange(8) % 3),
    }


def of(dataset: Dataset, root: Path) -> str:
    return fingerprint(dataset.load(root))


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_loading_again_and_from_elsewhere_gives_the_same(
    name: str, tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    WRITERS[name](tmp_path / "a")
    (tmp_path / "a").mkdir(exist_ok=True)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first = of(dataset_of(name, *OVERRIDES.get(name, [])), tmp_path / "a")
    version, _, digits = first.partition(":")
    assert version == VERSION
    assert len(bytes.fromhex(digits)) == 32
    assert first == of(dataset_of(name, *OVERRIDES.get(name, [])), tmp_path / "b")


def change_label(splits: dict[str, Split]) -> None:
    splits["train"].targets[7] = (splits["train"].targets[7] + 1) % 3


def hide_label(splits: dict[str, Split]) -> None:
    splits["train"].targets[7] = -1


def change_pixel(splits: dict[str, Split]) -> None:
    source = splits["test"].source
    assert isinstance(source, TensorSource)
    source.inputs[-1, 0, 3, 3] ^= 1


def swap_samples(splits: dict[str, Split]) -> None:
    order = torch.arange(12)
    order[[0, 3]] = order[[3, 0]]  # both of class 0: the labels stay as they are
    splits["train"] = Split(splits["train"].source.select(order), splits["train"].targets[order])


def add_part(splits: dict[str, Split]) -> None:
    splits["val"] = Split(splits["test"].source, splits["test"].targets)


def swap_parts(splits: dict[str, Split]) -> None:
    splits["train"], splits["test"] = splits["test"], splits["train"]


def drop_last(splits: dict[str, Split]) -> None:
    splits["train"] = Split(splits["train"].source.select(torch.arange(11)), splits["train"].targets[:11])


def other_dtype(splits: dict[str, Split]) -> None:
    source = splits["train"].source
    assert isinstance(source, TensorSource)
    source.inputs = source.inputs.view(torch.int8)


def other_shape(splits: dict[str, Split]) -> None:
    source = splits["train"].source
    assert isinstance(source, TensorSource)
    source.inputs = source.inputs.reshape(12, 1, 2, 8)


@pytest.mark.parametrize(
    "change",
    [
        *(change_label, hide_label, change_pixel, swap_samples, add_part, swap_parts, drop_last),
        *(other_dtype, other_shape),
    ],
)
def test_every_change_that_counts_shows(change: Callable[[dict[str, Split]], None]) -> None:
    splits = in_memory()
    change(splits)
    assert fingerprint(splits) != fingerprint(in_memory())


def test_another_file_of_equal_shape_is_another_data_set(
    tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    WRITERS["features"](tmp_path)
    first = of(dataset_of("features", "dataset.path=features.npz"), tmp_path)
    with np.load(tmp_path / "features.npz") as arrays:
        content = dict(arrays)
    content["train_features"][3, 2] += 1e-6
    np.savez(tmp_path / "features.npz", **content)
    assert of(dataset_of("features", "dataset.path=features.npz"), tmp_path) != first


@pytest.mark.parametrize("name", IMAGES)
def test_neither_the_device_nor_the_cache_changes_it(
    name: str, tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    WRITERS[name](tmp_path)
    prints = set()
    for cache in ("false", "true", "true"):
        for capacity in (0, 1 << 30):
            dataset = dataset_of(name, *OVERRIDES.get(name, []), f"dataset.cache={cache}")
            module = ActiveLearningDataModule(
                dataset, tmp_path, augmentations=build_augmentations([]), max_device_bytes=capacity
            )
            module.setup()
            module.place(torch.device("cpu"), World())
            prints.add(fingerprint(module))
            prints.add(fingerprint(module.splits))
    assert len(prints) == 1


def test_it_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = in_memory()
    first = fingerprint(splits)
    monkeypatch.setattr(TensorSource, "fetch", lambda *args: pytest.fail("the data are read again"))
    assert fingerprint(splits) == first


def test_images_count_by_content_while_they_are_small(tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    WRITERS["image_folder"](tmp_path)
    options = ("dataset.path=mine", "dataset.cache=false")
    first = of(dataset_of("image_folder", *options), tmp_path)
    file = tmp_path / "mine" / "train" / "cat" / "1.png"
    os.utime(file, (0, 0))
    assert of(dataset_of("image_folder", *options), tmp_path) == first
    before = file.stat()
    save_image(file, pixels(32, 32, 3, seed=999))
    os.utime(file, (before.st_atime, before.st_mtime))
    assert of(dataset_of("image_folder", *options), tmp_path) != first


def test_large_image_sets_count_by_path_size_and_time(
    tmp_path: Path, dataset_of: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoal.data.digests.CONTENT_BYTES", 1000)
    monkeypatch.setattr("autoal.data.digests._file_digest", lambda path: pytest.fail("a large set is read"))
    WRITERS["image_folder"](tmp_path / "a")
    options = ("dataset.path=mine", "dataset.cache=false")
    first = of(dataset_of("image_folder", *options), tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert of(dataset_of("image_folder", *options), tmp_path / "b") == first
    file = tmp_path / "b" / "mine" / "train" / "cat" / "1.png"
    times = file.stat()
    os.utime(file, (0, times.st_mtime + 5))
    assert of(dataset_of("image_folder", *options), tmp_path / "b") != first
    os.utime(file, (0, times.st_mtime))
    assert of(dataset_of("image_folder", *options), tmp_path / "b") == first
    file.rename(file.with_name("1x.png"))
    assert of(dataset_of("image_folder", *options), tmp_path / "b") != first


def test_another_size_is_another_data_set(tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    WRITERS["image_folder"](tmp_path)
    options = ("dataset.path=mine", "dataset.cache=false")
    assert of(dataset_of("image_folder", *options, "dataset.size=8"), tmp_path) != of(
        dataset_of("image_folder", *options, "dataset.size=9"), tmp_path
    )


def test_mapped_arrays_count_by_content_or_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", array)
        os.utime(tmp_path / name / "x.npy", (100, 100))

    def of_file(name: str, rows: torch.Tensor | None = None) -> str:
        source = ArraySource(open_array(tmp_path / name / "x.npy"))
        split = Split(
            source if rows is None else source.select(rows), torch.zeros(30 if rows is None else len(rows))
        )
        return fingerprint({"train": split})

    small = of_file("a")
    assert small == of_file("b") == fingerprint({"train": Split(ArraySource(array), torch.zeros(30))})
    for module in ("memmap", "digests"):
        monkeypatch.setattr(f"autoal.data.{module}.CONTENT_BYTES", 100)
    assert of_file("a") == of_file("b")
    assert of_file("a", torch.arange(20)) != of_file("a", torch.arange(20).flip(0))
    os.utime(tmp_path / "b" / "x.npy", (100, 200))
    assert of_file("a") != of_file("b")


def test_a_vanished_file_is_one_line(tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    WRITERS["image_folder"](tmp_path)
    splits = dataset_of("image_folder", "dataset.path=mine", "dataset.cache=false").load(tmp_path)
    file = tmp_path / "mine" / "train" / "cat" / "1.png"
    file.unlink()
    with pytest.raises(AutoALError, match=r"cannot read .*1\.png: No such file"):
        fingerprint(splits)
