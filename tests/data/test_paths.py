"""The two data paths: samples on the device and samples fetched from files give the same training batches."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from autoal.data.base import Dataset, TensorSource
from autoal.data.build import build_augmentations
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.images import ImageFiles
from autoal.data.loader import prefetched
from autoal.data.memmap import ArraySource
from autoal.distributed import World
from tests.data.formats import pixels, save_image

CPU = torch.device("cpu")
AUGMENT = [
    {"_target_": "autoal.data.augment.RandomCrop", "padding": 2},
    {"_target_": "autoal.data.augment.ColorJitter", "brightness": 0.2, "contrast": 0.2},
    {"_target_": "autoal.data.augment.HorizontalFlip"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, n in (("train", 20), ("test", 7)):
        for c in range(2):
            for i in range(n):
                save_image(
                    tmp_path / "mine" / part / "ab"[c] / f"{i:02d}.png", pixels(12, 12, 3, seed=100 * c + i)
                )
    return tmp_path


def module(dataset: Dataset, root: Path, max_device_bytes: int) -> ActiveLearningDataModule:
    data = ActiveLearningDataModule(
        dataset,
        root,
        seed=4,
        batch_size=8,
        eval_batch_size=6,
        augmentations=build_augmentations(AUGMENT),
        max_device_bytes=max_device_bytes,
    )
    data.setup()
    data.place(CPU, World())
    ids = torch.arange(0, 40, 2)
    data.pool.add(ids, data.oracle.buy(ids))
    return data


@pytest.mark.parametrize("cache", [False, True])
def test_both_paths_give_equal_batches_for_training_and_evaluation(
    cache: bool, folder: Path, dataset_of: Callable[..., Dataset]
) -> None:
    options = ("dataset.path=mine", f"dataset.cache={str(cache).lower()}")
    on_device = module(dataset_of("image_folder", *options), folder, 1 << 30)
    from_files = module(dataset_of("image_folder", *options), folder, 0)
    assert isinstance(on_device.split("train").source, TensorSource)
    assert isinstance(from_files.split("train").source, ArraySource if cache else ImageFiles)
    pairs = list(zip(on_device.train_dataloader(), from_files.train_dataloader(), strict=True))
    assert len(pairs) == 3
    for a, b in pairs:
        assert torch.equal(a.ids, b.ids)
        assert torch.equal(a.targets, b.targets)
        assert torch.equal(on_device.to_network(a).inputs, from_files.to_network(b).inputs)
    for split in ("train", "test"):
        evaluation = list(zip(on_device.eval_loader(split), from_files.eval_loader(split), strict=True))
        assert sum(len(a) for a, _ in evaluation) == len(on_device.split(split))
        assert all(torch.equal(a, b) for a, b in evaluation)


def test_splits_move_to_the_device_as_long_as_they_fit_together(
    folder: Path, dataset_of: Callable[..., Dataset]
) -> None:
    one_image = 3 * 12 * 12
    data = module(dataset_of("image_folder", "dataset.path=mine"), folder, 45 * one_image)
    assert isinstance(data.split("train").source, TensorSource)
    assert isinstance(data.split("test").source, ImageFiles)


def test_prefetching_keeps_order_and_runs_ahead() -> None:
    started: list[int] = []

    def fetch(key: Tensor) -> int:
        started.append(int(key))
        return int(key) * 10

    results = prefetched([torch.tensor(i) for i in range(6)], fetch, 2)
    assert next(results) == 0
    deadline = time.monotonic() + 30
    while len(started) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(started) == [0, 1, 2]
    assert list(results) == [10, 20, 30, 40, 50]


def test_an_error_in_a_prefetching_thread_reaches_the_caller() -> None:
    def fetch(key: Tensor) -> int:
        raise OSError(f"sample {int(key)}")

    with pytest.raises(OSError, match="sample 0"):
        list(prefetched([torch.tensor(0), torch.tensor(1)], fetch, 2))


def test_sources_can_be_pickled_for_spawned_workers(folder: Path, dataset_of: Callable[..., Dataset]) -> None:
    source = dataset_of("image_folder", "dataset.path=mine").load(folder)["train"].source
    rows = torch.tensor([5, 1])
    expected = source.fetch(rows)
    assert torch.equal(pickle.loads(pickle.dumps(source)).fetch(rows), expected)
