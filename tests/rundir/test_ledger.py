from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal.data.pool import Pool
from autoal.errors import AutoALError
from autoal.rundir.ledger import Ledger


@given(st.lists(st.integers(0, 29), unique=True, min_size=1, max_size=30), st.integers(1, 5))
def test_a_pool_is_rebuilt_from_its_ledger(
    tmp_path_factory: pytest.TempPathFactory, ids: list[int], size: int
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.jsonl")
    pool = Pool(30)
    for round_, start in enumerate(range(0, len(ids), size)):
        batch = ids[start : start + size]
        labels = [i % 4 for i in batch]
        source = "val" if round_ == 1 else "query"
        ledger.append(round_, batch, labels, "margin", [0.5] * len(batch), source)
        pool.add(torch.tensor(batch), torch.tensor(labels), validation=source == "val")
    rebuilt = Pool(30)
    for p in ledger.read():
        rebuilt.add(torch.tensor([p.id]), torch.tensor([p.label]), validation=p.source == "val")
    for part in ("labelled", "unlabelled", "validation"):
        assert torch.equal(getattr(rebuilt, part), getattr(pool, part))
    assert torch.equal(rebuilt.labels(rebuilt.labelled), pool.labels(pool.labelled))


def test_a_torn_last_line_is_dropped_and_the_ledger_goes_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", clock=lambda: "2026-01-01T00:00:00+00:00")
    ledger.append(0, [1, 2], [0, 1], "random", [None, None], "init")
    with ledger.path.open("a") as file:
        file.write('{"round": 1, "id": 3, "la')
    assert [p.id for p in ledger.read()] == [1, 2]
    ledger.append(1, [5], [2], "margin", [0.25], "query")
    assert [p.id for p in ledger.read()] == [1, 2, 5]
    lines = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    assert list(lines[-1]) == ["round", "id", "label", "strategy", "score", "source", "time"]
    assert lines[-1]["score"] == 0.25


def test_an_edited_ledger_is_refused_with_its_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append(0, [1, 2], [0, 1], "random", [None, None], "init")
    text = ledger.path.read_text()
    ledger.path.write_text(text + "nonsense\n")
    with pytest.raises(AutoALError, match="line 3 is not a ledger line"):
        ledger.read()
    ledger.path.write_text(text + text.splitlines()[0] + "\n")
    with pytest.raises(AutoALError, match="line 3: sample 1 is bought twice"):
        ledger.read()


def test_an_unwritable_ledger_is_an_error_before_the_pool_moves(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "missing" / "ledger.jsonl")
    with pytest.raises(AutoALError, match="cannot write"):
        ledger.append(0, [1], [0], "random", [None], "init")
