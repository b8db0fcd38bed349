from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal.data.oracle import Oracle
from autoal.errors import AutoALError
from autoal.pool import Ledger, Pool


def bought(pool: Pool, ids: list[int]) -> None:
    pool.add(torch.tensor(ids), torch.tensor([i % 3 for i in ids]))


def test_sets_partition_the_pool() -> None:
    pool = Pool(10, excluded=torch.tensor([9]))
    bought(pool, [7, 2])
    pool.add(torch.tensor([4]), torch.tensor([1]), validation=True)
    assert pool.labelled.tolist() == [2, 7]
    assert pool.validation.tolist() == [4]
    assert pool.unlabelled.tolist() == [0, 1, 3, 5, 6, 8]
    assert pool.labels(torch.tensor([7, 2])).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([3, 3], "id 3 stands more than once"),
        ([10], "id 10 is outside the pool (valid: 0..9)"),
        ([-1], "id -1 is outside the pool"),
        ([1], "id 1 can't be bought"),
        ([9], "id 9 can't be bought"),
    ],
)
def test_bad_purchases_change_nothing(ids: list[int], message: str) -> None:
    pool = Pool(10, excluded=torch.tensor([9]))
    bought(pool, [1])
    with pytest.raises(AutoALError, match=message.replace("(", r"\(").replace(")", r"\)")):
        pool.add(torch.tensor(ids), torch.tensor([0] * len(ids)))
    assert pool.labelled.tolist() == [1]


def test_a_label_that_was_not_bought_is_not_given() -> None:
    with pytest.raises(AutoALError, match="sample 5 has not been bought"):
        Pool(10).labels(torch.tensor([5]))


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
    rebuilt.replay(ledger.read())
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


def test_class_balanced_draw() -> None:
    targets = torch.tensor([0] * 50 + [1] * 30 + [2] * 4)
    oracle = Oracle(targets)
    ids = oracle.draw_class_balanced(torch.arange(84), 12, torch.Generator().manual_seed(0))
    assert targets[ids].bincount().tolist() == [4, 4, 4]
    ids = oracle.draw_class_balanced(torch.arange(84), 20, torch.Generator().manual_seed(0))
    assert targets[ids].bincount().tolist() == [8, 8, 4]
    assert len(ids.unique()) == 20


def test_the_oracle_refuses_what_nobody_knows() -> None:
    oracle = Oracle(torch.tensor([0, -1, 2]))
    assert oracle.known().tolist() == [True, False, True]
    with pytest.raises(AutoALError, match="no label for sample 1"):
        oracle.buy(torch.tensor([0, 1]))


def test_a_checkpoint_of_another_pool_is_refused() -> None:
    with pytest.raises(AutoALError, match="10 samples, this one 11"):
        Pool(11).load_state_dict(Pool(10).state_dict())
