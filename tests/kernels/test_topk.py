import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import top_n


def test_orders_by_score_then_row():
    score = torch.tensor([0.5, 2.0, 0.5, 2.0, -1.0, 0.5])
    assert top_n(score, 5).tolist() == [1, 3, 0, 2, 5]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_ties_by_row_in_a_large_pool(dtype):
    score = torch.zeros(5000, dtype=dtype)
    score[1234] = 1
    assert top_n(score, 4).tolist() == [1234, 0, 1, 2]


def test_infinity_is_a_score():
    assert top_n(torch.tensor([-torch.inf, 0.0, torch.inf]), 3).tolist() == [2, 1, 0]


def test_nan_is_refused_with_its_row():
    with pytest.raises(AutoALError, match="row 2"):
        top_n(torch.tensor([1.0, 2.0, float("nan")]), 1)


@pytest.mark.parametrize("n", [0, -1, 4])
def test_impossible_counts(n):
    with pytest.raises(AutoALError, match=f"n={n} "):
        top_n(torch.zeros(3), n)


def test_needs_a_vector():
    with pytest.raises(AutoALError, match=r"\(3, 1\)"):
        top_n(torch.zeros(3, 1), 1)
