"""The fixed sub-pools of the study on frozen features."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.foundation_study import pools


def test_every_class_gives_as_many_rows_from_a_file_or_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    parts = {
        "train_features": rng.normal(size=(90, 4)).astype(np.float16),
        "train_labels": np.repeat(np.arange(3), 30),
        "test_features": rng.normal(size=(8, 4)).astype(np.float16),
        "test_labels": np.arange(8) % 3,
    }
    first, second = pools.SETS
    np.savez(tmp_path / f"{first}.npz", **parts)
    monkeypatch.setattr(pools, "PER_CLASS", 20)
    monkeypatch.setattr(sys, "argv", ["pools", str(tmp_path)])
    pools.main()
    assert f"{second}: not in {tmp_path}" in capsys.readouterr().out

    (tmp_path / second).mkdir()
    for name, values in parts.items():
        np.save(tmp_path / second / f"{name}.npy", values)
    (tmp_path / second / "features.json").write_text("{}")
    pools.main()
    written = [dict(np.load(tmp_path / f"{name}-0k.npz")) for name in pools.SETS]
    assert np.bincount(written[0]["train_labels"]).tolist() == [20, 20, 20]
    for part in parts:
        assert np.array_equal(written[0][part], written[1][part])
    rows = {tuple(row) for row in parts["train_features"]}
    assert all(tuple(row) in rows for row in written[0]["train_features"])
    assert np.array_equal(written[0]["test_features"], parts["test_features"])
