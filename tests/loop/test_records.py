from __future__ import annotations

import pytest

from autoal.loop.records import RoundRecords
from autoal.training.evaluation import Evaluation


def test_seconds_add_up() -> None:
    records = RoundRecords()
    for phase, seconds in {
        "train": 5,
        "pool": 2,
        "test": 1,
        "select": 9,
        "warmup": 3,
        "updates": 4,
        "query": 1,
    }.items():
        records.add_seconds(phase, seconds)
    records.finish_row(
        records.start_row(0, 10, Evaluation(0.5, 1.0, 0.1), None, 1.0, 3, 1.0), {"weight_margin": 0.25}
    )
    row = records.rows[0]
    assert row["seconds_search"] == 3 + 4
    assert row["seconds_select"] == 9 - 7
    assert row["seconds_query"] == 1
    common = sum(row[f"seconds_{k}"] for k in ("train", "pool", "search", "select", "test"))
    assert common == pytest.approx(5 + 2 + 1 + 9)
    assert row["weight_margin"] == 0.25
    assert row["val_acc"] is None


def test_each_round_has_its_own_clock_and_a_resume_keeps_it() -> None:
    records = RoundRecords()
    records.add_seconds("train", 1.5)
    again = RoundRecords()
    again.load_state_dict(records.state_dict())
    again.add_seconds("train", 1.0)
    again.finish_row(again.start_row(0, 10, Evaluation(0.5, 1.0, 0.1), None, 1.0, 3, 1.0), None)
    again.finish_row(again.start_row(1, 20, Evaluation(0.5, 1.0, 0.1), None, 1.0, 3, 1.0), None)
    assert [row["seconds_train"] for row in again.rows] == [2.5, 0.0]
