"""The arithmetic that decides between contenders gives a row the same bits wherever it stands."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoal.kernels import ties

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)
BITS = [
    "-0x1.6846b71a6e40dp+2",
    "-0x1.00f0285a03ed3p+3",
    "-0x1.e050b407da646p-6",
    "-0x1.6ead1d80d4a73p+2",
    "-0x1.ea2707ce761b4p+1",
]


def _places(function, x, seed):
    """The value of the first row as found in blocks of other sizes and at other places."""
    g = torch.Generator().manual_seed(seed)
    found = []
    for rows in (1, 2, 3, 7, 33, 400):
        block = torch.randn(rows, x.shape[1], generator=g, dtype=torch.float64).to(x.dtype)
        place = int(torch.randint(rows, (1,), generator=g))
        block[place] = x
        found.append(function(block)[place])
    return torch.stack(found)


@pytest.mark.parametrize("name", ["row_sum", "log_softmax", "exp", "log", "squared_distance"])
def test_a_row_has_the_same_bits_wherever_it_stands(name):
    @SETTINGS
    @given(
        st.integers(1, 70),
        st.integers(0, 2**31),
        st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    )
    def check(width, seed, dtype):
        g = torch.Generator().manual_seed(seed)
        x = (torch.randn(1, width, generator=g, dtype=torch.float64) * 3).to(dtype)
        other = torch.randn(1, width, generator=g, dtype=torch.float64).to(dtype)
        function = {
            "log": lambda block: ties.log(block.abs().double() + 1e-3),
            "squared_distance": lambda block: ties.squared_distance(block, other),
        }.get(name) or getattr(ties, name)
        found = _places(function, x, seed)
        assert torch.equal(found, found[:1].expand_as(found))

    check()


def test_bits_are_those_of_every_processor():
    # Single IEEE operations in a fixed order: these are the bits on any machine, at any capability of torch.
    x = torch.tensor([[0.1, -2.3, 5.7, 0.0, 1.9]], dtype=torch.float64)
    assert [float(v).hex() for v in ties.log_softmax(x)[0]] == BITS


def test_functions_against_torch():
    g = torch.Generator().manual_seed(0)
    x = torch.cat([torch.rand(5000, generator=g, dtype=torch.float64) * 1400 - 700, torch.tensor([0.0, -707.9])])
    torch.testing.assert_close(ties.exp(x), x.exp(), rtol=1e-15, atol=0)
    y = torch.cat([x.exp().clamp(min=1e-300), 1 + 1e-6 * x])
    torch.testing.assert_close(ties.log(y), y.log(), rtol=1e-15, atol=1e-18)
    logits = torch.randn(300, 9, generator=g) * 30
    torch.testing.assert_close(ties.log_softmax(logits), logits.double().log_softmax(1), rtol=1e-14, atol=1e-13)
    assert ties.exp(torch.tensor([-1e9])).item() == 0
    assert torch.isfinite(ties.log_softmax(torch.tensor([[1e308, -1e308]], dtype=torch.float64))).all()


def test_row_sum_against_exact_sums():
    x = torch.randn(50, 77, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    want = [math.fsum(row) for row in x.tolist()]
    torch.testing.assert_close(ties.row_sum(x), torch.tensor(want, dtype=torch.float64), rtol=1e-13, atol=1e-14)
    assert ties.row_sum(torch.zeros(3, 0)).tolist() == [0, 0, 0]


def test_equal_values_go_to_the_lower_row():
    assert ties.largest(torch.tensor([1.0, 3.0 - 1e-12, 3.0], dtype=torch.float64)) == 1
    assert ties.largest(torch.tensor([1.0, 3.0 - 1e-6, 3.0], dtype=torch.float64)) == 2
    assert ties.smallest(torch.tensor([5.0, 3.0 + 1e-12, 3.0], dtype=torch.float64)) == 1
    assert ties.largest(torch.tensor([-torch.inf, -torch.inf, 0.0])) == 2


def test_contenders_are_decided_by_exact_values():
    exact = torch.tensor([1.0, 7.0, 7.0, 6.9, 3.0], dtype=torch.float64)
    rounded = exact + torch.tensor([0, -0.05, 0.05, 0.1, 0])
    asked = []

    def look(rows):
        asked.extend(rows.tolist())
        return exact[rows]

    assert ties.largest_checked(rounded, 0.1, look) == (1, 7.0)
    assert asked == [1, 2, 3]
    assert ties.largest_checked(rounded, torch.full((5,), 0.1), look) == (1, 7.0)
