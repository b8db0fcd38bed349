"""Initial sets that are chosen by static features, before anything is trained and without a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.digits import Digits
from autoal.data.features import Features
from autoal.errors import AutoALError
from autoal.loop.cold_start import COLD_STARTS, check_cold_start
from autoal.loop.purchases import Purchases
from autoal.loop.settings import LoopConfig
from autoal.rng import generator
from autoal.rundir.ledger import Ledger

BLOBS = 6


def blobs(folder: Path) -> Path:
    """Write six well separated blobs, of 10 to 60 samples, in the directions of the axes."""
    draw = np.random.default_rng(0)
    blob = np.repeat(np.arange(BLOBS), np.arange(1, BLOBS + 1) * 10)
    rows = 5 * np.eye(BLOBS)[blob] + draw.normal(scale=0.1, size=(len(blob), BLOBS))
    arrays = {"features": rows.astype(np.float32), "labels": blob}
    path = folder / "blobs.npz"
    np.savez(path, **{f"{part}_{name}": array for part in ("train", "test") for name, array in arrays.items()})
    return path


def bought(path: Path, folder: Path, init: str, seed: int = 0, n: int = BLOBS) -> tuple[list[int], Ledger]:
    data = ActiveLearningDataModule(Features(str(path), standardise=False), folder, seed=seed)
    data.setup()
    loop = LoopConfig(n_init=n, n_query=1, n_rounds=1, init=init)  # type: ignore[arg-type]
    folder.joinpath(f"{init}-{seed}").mkdir()
    ledger = Ledger(folder / f"{init}-{seed}" / "ledger.jsonl")
    Purchases(data, ledger, loop, "random").buy_initial()
    return data.pool.labelled.tolist(), ledger


@pytest.mark.parametrize("init", sorted(COLD_STARTS))
def test_every_group_of_samples_is_in_the_initial_set(init: str, tmp_path: Path) -> None:
    path = blobs(tmp_path)
    labels = np.load(path)["train_labels"]
    ids, ledger = bought(path, tmp_path, init)
    assert sorted(labels[ids]) == list(range(BLOBS))
    lines = ledger.read()
    assert {(line.source, line.strategy, line.round) for line in lines} == {("init", init, 0)}
    # The same seed buys the same samples; random sampling would miss a blob of ten among 210.
    (tmp_path / "again").mkdir()
    assert bought(path, tmp_path / "again", init)[0] == ids
    assert len(set(labels[bought(path, tmp_path, "random")[0]])) < BLOBS


def test_maxherding_begins_with_the_sample_that_is_most_like_all(tmp_path: Path) -> None:
    path = blobs(tmp_path)
    x = np.load(path)["train_features"].astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    alike = np.exp(-((x[:, None] - x[None]) ** 2).sum(2))
    covered = np.zeros(len(x))
    wanted = []
    for _ in range(3):
        gain = np.maximum(alike - covered[:, None], 0).sum(0)
        wanted.append(int(gain.argmax()))
        covered = np.maximum(covered, alike[:, wanted[-1]])
    _, ledger = bought(path, tmp_path, "maxherding", n=3)
    assert [line.id for line in ledger.read()] == wanted


def test_typiclust_follows_the_stream_of_the_initial_set(tmp_path: Path) -> None:
    path = blobs(tmp_path)
    x = torch.from_numpy(np.load(path)["train_features"])
    _, ledger = bought(path, tmp_path, "typiclust", seed=3)
    own = COLD_STARTS["typiclust"](x, BLOBS, generator(3, "initial_set"))
    assert [line.id for line in ledger.read()] == own.index.tolist()


def test_pixels_without_features_name_the_command() -> None:
    data = ActiveLearningDataModule(Digits(), Path("data"))
    data.setup()
    data.static = None
    with pytest.raises(AutoALError, match=r"autoal embed digits --out DIR' and set features=DIR"):
        check_cold_start(data, "typiclust")
    check_cold_start(data, "class_balanced")
