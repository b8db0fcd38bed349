"""Reading ledgers fast and right; overlap and class balance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autoal.analysis.ledgers import read_ledger, summarise_selection
from autoal.analysis.settings import collect
from tests.analysis.trees import write_run


def line(id_: int, label: int = 0, source: str = "query", **extra: object) -> str:
    entry = {
        "round": 1,
        "id": id_,
        "label": label,
        "strategy": "badge",
        "score": 0.5,
        "source": source,
        "time": "t",
    }
    return json.dumps(entry | extra) + "\n"


def write_ledger(path: Path, ids: list[int], labels: list[int] | None = None) -> None:
    labels = labels or [0] * len(ids)
    path.write_text("".join(line(i, label) for i, label in zip(ids, labels, strict=True)))


def test_reads_queries_only(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_text(line(7, 1) + line(3, 2, "init") + line(5, -1, score=None) + line(9, 0, "val"))
    purchases = read_ledger(file)
    assert purchases is not None
    assert purchases.ids.tolist() == [5, 7]
    assert purchases.labels.tolist() == [-1, 1]
    assert read_ledger(tmp_path / "none.jsonl") is None


def test_other_key_order_and_nan_scores_take_the_slow_path(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_text('{"source": "query", "label": 4, "id": 8}\n' + line(2, 3, score=float("nan")))
    purchases = read_ledger(file)
    assert purchases is not None
    assert purchases.ids.tolist() == [2, 8]
    assert purchases.labels.tolist() == [3, 4]


def test_strategy_names_cannot_fool_the_fast_path(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_text(line(1, 2, strategy='x", "source": "query", "y'))
    purchases = read_ledger(file)
    assert purchases is not None
    assert purchases.ids.tolist() == [1]


def test_torn_last_line_is_ignored_and_other_damage_is_not(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_text(line(1) + line(2)[:-20])
    purchases = read_ledger(file)
    assert purchases is not None
    assert purchases.ids.tolist() == [1]
    file.write_text(line(1) + "garbage\n" + line(2))
    with pytest.raises(ValueError, match="line 2 is not a ledger line"):
        read_ledger(file)
    file.write_text(line(1) + line(1))
    with pytest.raises(ValueError, match="sample 1 is bought twice"):
        read_ledger(file)


def test_overlap_and_balance(tmp_path: Path) -> None:
    bought = {("a", 0): [1, 2, 3, 4], ("b", 0): [3, 4, 5, 6], ("a", 1): [1, 2], ("b", 1): [1, 2], ("c", 7): [1, 2]}
    for (name, seed), ids in bought.items():
        path = write_run(tmp_path / f"{name}{seed}", strategy=name, seed=seed, ledger=False)
        write_ledger(path / "ledger.jsonl", ids, [i % 2 for i in ids])
    summary = summarise_selection(collect([tmp_path])[0][0])
    assert summary.names == ["a", "b", "c"]
    # Half in common at seed 0, everything at seed 1; c has no seed in common.
    assert summary.overlap[0, 1] == pytest.approx(0.75)
    assert np.isnan(summary.overlap[2]).all()
    assert summary.classes == [0, 1]
    np.testing.assert_allclose(summary.shares, 0.5)
    np.testing.assert_allclose(summary.balance, 1.0)


def test_damaged_ledger_costs_only_its_own_part(tmp_path: Path) -> None:
    write_run(tmp_path / "a", strategy="a")
    (write_run(tmp_path / "b", strategy="b") / "ledger.jsonl").write_text("nonsense\n")
    summary = summarise_selection(collect([tmp_path])[0][0])
    assert summary.names == ["a"]
    assert "left out of overlap and class balance" in summary.problems[0].message
