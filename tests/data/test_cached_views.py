"""Views beside features: which one is taken, for which rows, and that those of other samples are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from autoal.data.build import build_dataset
from autoal.data.features import Features
from autoal.data.fingerprint import split_digest
from autoal.data.views import CachedViews
from autoal.errors import AutoALError

N, F, V = 12, 3, 4


def folder(path: Path, views: np.ndarray | None) -> Path:
    path.mkdir()
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        np.save(path / f"{part}_features.npy", rng.normal(size=(N, F)).astype(np.float16))
        np.save(path / f"{part}_labels.npy", np.arange(N) % 3)
    if views is not None:
        np.save(path / "train_strong_features.npy", views)
    return path


def numbered() -> np.ndarray:
    """Views whose first feature is the view, and whose second is the sample."""
    array = np.zeros((V, N, F), np.float16)
    array[:, :, 0], array[:, :, 1] = np.arange(V)[:, None], np.arange(N)[None]
    return array


def test_a_view_of_each_sample() -> None:
    views = CachedViews(numbered())
    rows, chosen = torch.tensor([5, 0, 5]), torch.tensor([1, 3, 2])
    assert views.fetch(rows, chosen)[:, :2].tolist() == [[1, 5], [3, 0], [2, 5]]
    some = views.select(torch.tensor([7, 5])).select(torch.tensor([1]))
    assert some.fetch(torch.tensor([0]), torch.tensor([2]))[0, :2].tolist() == [2, 5]


def test_a_choice_follows_from_the_key_and_the_draw_and_is_even() -> None:
    views, draws = CachedViews(numbered()), torch.arange(4000)
    chosen = views.pick(9, draws)
    assert torch.equal(views.pick(9, draws[[70, 3]]), chosen[[70, 3]])
    assert not torch.equal(views.pick(8, draws), chosen)
    counts = torch.bincount(chosen, minlength=V)
    assert len(counts) == V
    assert bool(((counts - 1000).abs() < 120).all())


def test_a_folder_has_them_memory_mapped_and_variants_keep_them(tmp_path: Path) -> None:
    folder(tmp_path / "f", numbered())
    train = Features("f").load(tmp_path)["train"]
    assert list(train.views) == ["strong"]
    assert isinstance(train.views["strong"].array, np.memmap)
    config = {"_target_": "autoal.data.features.Features", "path": "f", "classes": [1, 2]}
    kept = build_dataset(config).load(tmp_path)["train"]
    found = kept.views["strong"].fetch(torch.tensor([0, 3]), torch.tensor([0, 3]))
    assert found[:, :2].tolist() == [[0, 1], [3, 5]], "rows of classes 1 and 2 are 1, 2, 4, 5, ..."


def test_other_views_are_other_data(tmp_path: Path) -> None:
    changed = numbered()
    changed[2, 3, 1] += 1
    found = {
        split_digest(Features(name).load(tmp_path)["train"])
        for name, views in (("a", None), ("b", numbered()), ("c", changed))
        if folder(tmp_path / name, views)
    }
    assert len(found) == 3
    assert split_digest(Features(str(folder(tmp_path / "d", numbered()))).load(Path("/"))["train"]) in found


def test_views_that_are_none_change_no_fingerprint(tmp_path: Path) -> None:
    """Checkpoints of older versions have the fingerprint that they had."""
    train = Features(str(folder(tmp_path / "a", None))).load(Path("/"))["train"]
    targets = (np.arange(N) % 3).astype(np.int64)
    labels = hashlib.sha256(b"torch.int64" + targets.tobytes()).hexdigest()
    words = (str(N), labels, train.source.digest())  # type: ignore[attr-defined]
    from autoal.data.digests import join

    assert split_digest(train) == join(words)


@pytest.mark.parametrize("shape", [(V, N + 1, F), (V, N, F + 1), (N, F), (0, N, F)])
def test_views_of_other_samples_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    folder(tmp_path / "f", np.zeros(shape, np.float16))
    with pytest.raises(AutoALError, match=r"train_strong_features are float16 .*, not floating \(views, 12, 3\)"):
        Features("f").load(tmp_path)
