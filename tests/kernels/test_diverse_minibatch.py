import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import diverse_minibatch, kmeans, margin


def pool(rows=400, classes=5, dim=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, classes, generator=generator, dtype=torch.float64),
        torch.randn(rows, dim, generator=generator, dtype=torch.float64),
    )


def test_clusters_the_most_uncertain_weighted_by_uncertainty():
    logits, x = pool()
    picks = diverse_minibatch(logits, x, 8, torch.Generator().manual_seed(1), beta=5)
    score = margin(logits)
    kept = torch.tensor(sorted(sorted(range(400), key=lambda i: (-float(score[i]), i))[:40]))
    inner = kmeans(x[kept], 8, torch.Generator().manual_seed(1), weights=score[kept])
    assert picks.index.tolist() == kept[inner.index].tolist()
    assert torch.equal(picks.score, score[picks.index])
    assert picks.log["candidates"] == 40


def test_weights_matter():
    # Two tight groups of candidates on a line with one centre: it lies near the group that is more uncertain.
    x = torch.tensor([[0.0], [0.1], [1.0], [1.1]])
    logits = torch.tensor([[0.0, 0], [0, 0], [4, 0], [4, 0]])
    assert diverse_minibatch(logits, x, 1, torch.Generator(), beta=4).index.item() in (0, 1)
    assert diverse_minibatch(logits.flip(0), x, 1, torch.Generator(), beta=4).index.item() in (2, 3)


def test_beta_one_is_plain_margin_as_a_set():
    logits, x = pool()
    picks = diverse_minibatch(logits, x, 12, torch.Generator(), beta=1)
    assert set(picks.index.tolist()) == set(margin(logits).topk(12).indices.tolist())


def test_beta_beyond_the_pool_and_certain_pool():
    logits, x = pool(rows=30)
    assert len(set(diverse_minibatch(logits, x, 20, torch.Generator(), beta=100).index.tolist())) == 20
    certain = torch.zeros(30, 5)
    certain[:, 2] = 1e4  # every informativeness is 0
    assert len(set(diverse_minibatch(certain, x, 20, torch.Generator()).index.tolist())) == 20


def test_errors():
    logits, x = pool(rows=10)
    with pytest.raises(AutoALError, match=r"beta=0\.5"):
        diverse_minibatch(logits, x, 2, torch.Generator(), beta=0.5)
    with pytest.raises(AutoALError, match=r"shape \(9, 6\)"):
        diverse_minibatch(logits, x[:9], 2, torch.Generator())
    with pytest.raises(AutoALError, match="n=11"):
        diverse_minibatch(logits, x, 11, torch.Generator())
