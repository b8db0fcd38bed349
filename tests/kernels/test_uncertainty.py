import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from autoal.errors import AutoALError
from autoal.kernels import entropy, least_confidence, margin, mean_log_prob

SCORES = [least_confidence, margin, entropy]


def by_definition(name, p):
    top = np.sort(p, axis=1)[:, ::-1]
    return {
        "least_confidence": lambda: 1 - top[:, 0],
        "margin": lambda: 1 - (top[:, 0] - top[:, 1]),
        "entropy": lambda: scipy_entropy(p, axis=1),
    }[name]()


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_definition(score, dtype):
    logits = (torch.randn(200, 7, generator=torch.Generator().manual_seed(0)) * 3).to(dtype)
    want = by_definition(score.__name__, softmax(logits.double().numpy(), axis=1))
    got = score(logits)
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    np.testing.assert_allclose(got.double(), want, atol=1e-12 if dtype == torch.float64 else 2e-6)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("scale", [1e4, 1e30, 3e38])
def test_extreme_logits_are_finite(score, scale):
    logits = torch.tensor([[scale, -scale, 0.0], [0.0, 0.0, 0.0], [-scale, -scale, -scale], [scale, scale, 0.0]])
    got = score(logits)
    assert torch.isfinite(got).all()
    assert got[0] == 0  # certain
    assert got[1] == got[2] == pytest.approx(got.max())  # uniform


@pytest.mark.parametrize("score", SCORES)
def test_saturated_samples_are_still_ranked(score):
    # float32 probabilities are exactly 1 here, so 1 - p would tie all three.
    logits = torch.tensor([[40.0, 0.0], [20.0, 0.0], [30.0, 0.0]])
    assert torch.softmax(logits, 1)[:, 0].eq(1).all()
    assert score(logits).argsort(descending=True).tolist() == [1, 2, 0]


def test_margin_of_one_class_is_certain():
    assert margin(torch.randn(3, 1)).tolist() == [0, 0, 0]


def test_blocks_do_not_show():
    logits = torch.randn(30_000, 50, generator=torch.Generator().manual_seed(0))
    whole = torch.softmax(logits.double(), 1).max(1).values
    torch.testing.assert_close(least_confidence(logits).double(), 1 - whole, atol=1e-6, rtol=0)


def test_mean_log_prob_is_log_of_mean_probability():
    mc = torch.randn(6, 40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 4
    want = np.log(softmax(mc.numpy(), axis=2).mean(0))
    np.testing.assert_allclose(mean_log_prob(mc), want, atol=1e-12)
    np.testing.assert_allclose(entropy(mean_log_prob(mc)), scipy_entropy(np.exp(want), axis=1), atol=1e-12)


def test_mean_log_prob_of_opposite_certainties():
    mc = torch.tensor([[[1e4, -1e4]], [[-1e4, 1e4]]])
    assert entropy(mean_log_prob(mc)).item() == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("score", SCORES)
def test_not_finite_is_refused(score, bad):
    logits = torch.zeros(5, 3)
    logits[3, 1] = bad
    with pytest.raises(AutoALError, match=r"logits holds the value .* in row 3"):
        score(logits)


def test_wrong_shapes_and_types():
    with pytest.raises(AutoALError, match=r"shape \(4,\)"):
        entropy(torch.zeros(4))
    with pytest.raises(AutoALError, match="int64"):
        entropy(torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(AutoALError, match=r"shape \(4, 2\)"):
        mean_log_prob(torch.zeros(4, 2))
