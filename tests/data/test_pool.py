from __future__ import annotations

import pytest
import torch

from autoal.data.oracle import Oracle
from autoal.data.pool import Pool
from autoal.errors import AutoALError


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


def test_what_was_taken_out_can_come_back() -> None:
    pool = Pool(6, excluded=torch.tensor([5]))
    bought(pool, [1])
    pool.exclude(torch.tensor([0, 1, 2]))
    assert pool.unlabelled.tolist() == [3, 4]
    pool.readmit(torch.tensor([0, 1, 3]))
    assert pool.unlabelled.tolist() == [0, 3, 4]
    assert pool.labelled.tolist() == [1]


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
