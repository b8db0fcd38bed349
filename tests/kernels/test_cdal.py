import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from autoal.errors import AutoALError
from autoal.kernels import cdal

from .oracles import greedy_k_center, symmetric_kl


def logits_of(rows, classes, seed=0):
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3


@pytest.mark.parametrize("cache_size", [5, 1024])
@pytest.mark.parametrize("with_labelled", [False, True])
def test_identical_to_plain_k_center_on_symmetric_kl(cache_size, with_labelled):
    pool, labelled = logits_of(300, 6), logits_of(25, 6, seed=1)
    p = softmax(pool.numpy(), axis=1)
    first = int(scipy_entropy(p, axis=1).argmax())
    if with_labelled:
        first = np.min([symmetric_kl(p, q) for q in softmax(labelled.numpy(), axis=1)], axis=0)
    want, scores = greedy_k_center(lambda i: symmetric_kl(p, p[i]), 80, first)
    picks = cdal(pool, 80, labelled if with_labelled else None, cache_size=cache_size)
    assert picks.index.tolist() == want
    np.testing.assert_allclose(picks.score, scores, rtol=1e-9)


def test_softmax_is_applied_once():
    # After a second softmax these two candidates swap: probabilities of 0.5 and 1 become almost the same.
    labelled = torch.log(torch.tensor([[0.98, 0.01, 0.01]]))
    pool = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.0001, 0.5, 0.4999], [0.02, 0.49, 0.49]]))
    p, q = pool.exp().double().numpy(), labelled.exp().double().numpy()[0]
    assert cdal(pool, 1, labelled).score.item() == pytest.approx(symmetric_kl(p, q).max(), rel=1e-4)


def test_extreme_logits():
    pool = torch.tensor(
        [[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [0.0, 0.0, 0.0], [1e4, -1e4, 0.0], [3e38, -3e38, 0.0]]
    )
    picks = cdal(pool, 5)
    assert sorted(picks.index.tolist()) == [0, 1, 2, 3, 4]
    assert torch.isfinite(picks.score).all()


def test_shifted_logits_are_the_same_distribution():
    pool = logits_of(200, 5)
    assert cdal(pool, 50).index.tolist() == cdal(pool + 17 * torch.arange(200)[:, None], 50).index.tolist()


def test_errors():
    with pytest.raises(AutoALError, match=r"labelled_logits has shape \(2, 4\)"):
        cdal(torch.zeros(5, 3), 1, torch.zeros(2, 4))
    with pytest.raises(AutoALError, match="n=9"):
        cdal(torch.zeros(5, 3), 9)
