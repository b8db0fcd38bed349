"""A data set that is read once serves many runs, none of which sees what another did to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from autoal.data.base import TensorSource
from autoal.data.digests import content_digest
from autoal.data.kept import KeptData


def written(path: Path, seed: int) -> dict[str, object]:
    draw = np.random.default_rng(seed)
    parts = {"train": 30, "test": 20}
    np.savez(
        path,
        **{f"{p}_features": draw.normal(size=(n, 4)).astype(np.float32) for p, n in parts.items()},
        **{f"{p}_labels": np.arange(n) % 3 for p, n in parts.items()},
    )
    return {"name": "features", "_target_": "autoal.data.features.Features", "path": str(path)}


def test_the_same_config_is_read_once_and_another_one_anew(tmp_path: Path) -> None:
    config, other = written(tmp_path / "a.npz", 0), written(tmp_path / "b.npz", 1)
    kept = KeptData()
    first, splits = kept.take(config, tmp_path)
    (tmp_path / "a.npz").unlink()
    again, parts = kept.take(dict(config), tmp_path)
    assert again is not first
    assert again.info == first.info
    assert again.info.n_classes == 3
    assert parts["train"].targets is splits["train"].targets
    assert not torch.equal(
        kept.take(other, tmp_path)[1]["train"].source.fetch(torch.arange(3)),
        splits["train"].source.fetch(torch.arange(3)),
    )


def test_what_a_run_replaces_is_its_own(tmp_path: Path) -> None:
    config = written(tmp_path / "a.npz", 0)
    kept = KeptData()
    dataset, splits = kept.take(config, tmp_path)
    before = content_digest(splits["train"].source)
    splits["train"].source = TensorSource(torch.zeros(30, 4))
    dataset.lacks_test = True
    again, parts = kept.take(config, tmp_path)
    assert content_digest(parts["train"].source) == before
    assert not again.lacks_test
