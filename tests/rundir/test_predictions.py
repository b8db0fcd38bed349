"""What the test samples were taken for, round by round: whole or not at all, and repeated rounds replace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoal.errors import AutoALError
from autoal.rundir.names import PREDICTIONS
from autoal.rundir.predictions import Predictions

TARGETS = np.array([0, 1, 2, 2, 1])


def grown(n_rounds: int) -> Predictions:
    found = Predictions.none()
    for round_ in range(n_rounds):
        found = found.with_round(round_, (TARGETS + (round_ == 0)) % 3, TARGETS, 0.5 + 0.1 * round_)
    return found


def test_rounds_are_added_replaced_and_read_again(tmp_path: Path) -> None:
    assert Predictions.read(tmp_path) is None
    grown(3).write(tmp_path)
    found = Predictions.read(tmp_path)
    assert found is not None
    assert found.rounds.tolist() == [0, 1, 2]
    assert found.predicted.tolist() == [[1, 2, 0, 0, 2], TARGETS.tolist(), TARGETS.tolist()]
    assert found.auroc.tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert found.confusion(0, 3).tolist() == [[0, 1, 0], [0, 0, 2], [2, 0, 0]]
    assert found.confusion(-1, 3).tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 2]]
    # A round that is repeated after a kill takes its own place, and that of what came after it.
    again = found.with_round(1, np.zeros(5, dtype=np.int64), TARGETS, 0.1)
    assert again.rounds.tolist() == [0, 1]
    assert again.predicted[1].tolist() == [0] * 5
    # Another test set: what was measured on the old one does not go with it.
    assert found.with_round(3, np.zeros(4, dtype=np.int64), TARGETS[:4], 0.1).rounds.tolist() == [3]


def test_a_sample_takes_a_byte_and_many_classes_fit(tmp_path: Path) -> None:
    many = np.arange(1000)
    Predictions.none().with_round(0, many, many, 1.0).write(tmp_path)
    found = Predictions.read(tmp_path)
    assert found is not None
    assert found.predicted[0].tolist() == many.tolist()
    with np.load(tmp_path / PREDICTIONS) as file:
        assert file["predicted"].dtype == np.uint16


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04 torn", b"nonsense"):
        (tmp_path / PREDICTIONS).write_bytes(content)
        with pytest.raises(AutoALError, match=r"predictions.npz is damaged"):
            Predictions.read(tmp_path)
    arrays = {"rounds": np.arange(2), "predicted": np.zeros((1, 3)), "targets": np.zeros(3), "auroc": np.zeros(2)}
    np.savez(tmp_path / PREDICTIONS, **arrays)
    with pytest.raises(AutoALError, match="do not fit together"):
        Predictions.read(tmp_path)
