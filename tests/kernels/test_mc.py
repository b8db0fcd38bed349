from collections import Counter

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from autoal.errors import AutoALError
from autoal.kernels import bald, least_confidence, mean_log_prob, mean_std, var_ratio


@pytest.fixture
def mc():
    return torch.randn(9, 60, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2


def test_bald_is_mutual_information(mc):
    p = softmax(mc.numpy(), axis=2)
    want = scipy_entropy(p.mean(0), axis=1) - scipy_entropy(p, axis=2).mean(0)
    np.testing.assert_allclose(bald(mc), want, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_bald_is_never_negative(dtype):
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(1, 500, 20, generator=generator) * 8
    mc = (base + 1e-4 * torch.randn(10, 500, 20, generator=generator)).to(dtype)
    got = bald(mc)
    assert (got >= 0).all()
    assert torch.isfinite(got).all()
    assert bald(base.repeat(4, 1, 1).to(dtype)).max() < 1e-6


def test_bald_keeps_its_digits_for_similar_samples():
    # The difference of two entropies has no correct digit here in float32; the divergence form has several.
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(1, 100, 10, generator=generator, dtype=torch.float64)
    mc = (base + 1e-4 * torch.randn(8, 100, 10, generator=generator, dtype=torch.float64)).float()
    torch.testing.assert_close(bald(mc).double(), bald(mc.double()), rtol=0.1, atol=1e-10)


def test_var_ratio_counts_votes(mc):
    votes = mc.argmax(2).numpy()
    want = [1 - Counter(votes[:, i]).most_common(1)[0][1] / len(votes) for i in range(votes.shape[1])]
    np.testing.assert_allclose(var_ratio(mc), want, atol=1e-12)


def test_var_ratio_is_not_least_confidence(mc):
    ours = torch.argsort(var_ratio(mc), descending=True, stable=True)
    theirs = torch.argsort(least_confidence(mean_log_prob(mc)), descending=True, stable=True)
    assert ours.tolist() != theirs.tolist()


def test_mean_std(mc):
    np.testing.assert_allclose(mean_std(mc), softmax(mc.numpy(), axis=2).std(axis=0).mean(axis=1), atol=1e-12)


@pytest.mark.parametrize("score", [bald, var_ratio, mean_std])
def test_extreme_logits(score):
    mc = torch.tensor([[[1e4, -1e4]], [[-1e4, 1e4]]])
    assert score(mc).item() > 0.4
    assert score(mc * 3e34).item() > 0.4
    assert score(mc[:1].repeat(3, 1, 1)).item() == 0


@pytest.mark.parametrize("score", [bald, var_ratio, mean_std])
def test_one_sample_cannot_disagree(score):
    with pytest.raises(AutoALError, match="at least 2"):
        score(torch.zeros(1, 4, 3))
    with pytest.raises(AutoALError, match=r"shape \(4, 3\)"):
        score(torch.zeros(4, 3))
    with pytest.raises(AutoALError, match="nan"):
        score(torch.full((2, 4, 3), float("nan")))
