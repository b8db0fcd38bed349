import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from autoal.errors import AutoALError
from autoal.kernels import badge
from autoal.kernels.geometry import GradientEmbeddings, closest

from .oracles import gradient_embeddings


def pool(rows, classes, dim, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=g, dtype=torch.float64) * 2
    return logits.to(dtype), torch.randn(rows, dim, generator=g, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4), (torch.float16, 1e-4)])
def test_geometry_is_that_of_the_explicit_gradients(dtype, rtol):
    logits, x = pool(60, 7, 5, dtype=dtype)
    g = gradient_embeddings(logits.double(), x.double())
    space = GradientEmbeddings(logits, x)
    centres = space.take(torch.tensor([3, 40, 9]))
    distances = ((g[:, None] - g[[3, 40, 9]]) ** 2).sum(2)
    value, slack = space.nearest(0, 60, centres)
    np.testing.assert_allclose(space.norms, (g**2).sum(1), rtol=rtol)
    np.testing.assert_allclose(value, distances.min(1), rtol=rtol, atol=rtol)
    exact = GradientEmbeddings(logits.double(), x.double())
    for found in (
        closest(space.take(torch.arange(60)), centres),
        exact.nearest(0, 60, exact.take(torch.tensor([3, 40, 9])))[0],
    ):
        np.testing.assert_allclose(found, distances.min(1), rtol=1e-9, atol=1e-13)
    assert (np.abs(value.double() - distances.min(1)) <= slack).all()
    direct = space.take(torch.tensor([3, 8])).direct(space.take(torch.tensor([3, 9])))
    np.testing.assert_allclose(direct, ((g[[3, 8]] - g[[3, 9]]) ** 2).sum(1), rtol=rtol)
    assert direct[0] == 0


def test_first_pick_has_the_largest_gradient():
    logits, x = pool(200, 5, 6)
    norms = np.linalg.norm(gradient_embeddings(logits, x), axis=1)
    for seed in range(3):
        picks = badge(logits, x, 4, torch.Generator().manual_seed(seed))
        assert picks.index[0] == norms.argmax()
        assert picks.score[0] == pytest.approx(norms.max())


def test_distribution_is_that_of_the_explicit_algorithm():
    logits, x = pool(6, 3, 2, seed=4)
    g = gradient_embeddings(logits, x)
    first = int((g**2).sum(1).argmax())
    trials, chances = 400, {}
    for rest in itertools.permutations([i for i in range(6) if i != first], 2):
        chance, chosen = 1.0, [first]
        for row in rest:
            d = np.min([((g - g[c]) ** 2).sum(1) for c in chosen], axis=0)
            chance *= d[row] / d.sum()
            chosen.append(row)
        chances[rest] = chance
    generator = torch.Generator().manual_seed(0)
    seen = dict.fromkeys(chances, 0)
    for _ in range(trials):
        seen[tuple(badge(logits, x, 3, generator).index.tolist()[1:])] += 1
    common = [k for k in chances if chances[k] * trials >= 5]
    expected = [chances[k] * trials for k in common]
    observed = [seen[k] for k in common]
    if len(common) < len(chances):
        observed.append(trials - sum(observed))
        expected.append(trials - sum(expected))
    assert chisquare(observed, expected).pvalue > 1e-4


def test_scores_are_distances_in_gradient_space():
    logits, x = pool(150, 6, 4)
    g = gradient_embeddings(logits, x)
    picks = badge(logits, x, 100, torch.Generator().manual_seed(0))
    rows = picks.index.numpy()
    for place in range(1, 100):
        want = np.sqrt(((g[rows[:place]] - g[rows[place]]) ** 2).sum(1).min())
        assert picks.score[place] == pytest.approx(want, rel=1e-6)


def test_class_count_comes_from_the_logits():
    # A class that nobody predicts is still a coordinate of the gradient.
    logits, x = pool(50, 4, 3)
    logits[:, 2] = -5
    picks = badge(logits, x, 50, torch.Generator().manual_seed(0))
    assert sorted(picks.index.tolist()) == list(range(50))


@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_certain_or_zero_pools_are_filled_uniformly(scale):
    logits = torch.zeros(40, 5)
    logits[:, 1] = 1e4
    x = torch.full((40, 3), scale)
    firsts = set()
    for seed in range(8):
        picks = badge(logits, x, 30, torch.Generator().manual_seed(seed))
        assert len(set(picks.index.tolist())) == 30
        assert picks.log["filled"] == 29
        assert torch.isfinite(picks.score).all()
        firsts.add(int(picks.index[0]))
    assert len(firsts) > 1


def test_seeded():
    logits, x = pool(300, 5, 6)
    one = badge(logits, x, 30, torch.Generator().manual_seed(1)).index
    torch.manual_seed(99)
    assert torch.equal(one, badge(logits, x, 30, torch.Generator().manual_seed(1)).index)
    assert not torch.equal(one, badge(logits, x, 30, torch.Generator().manual_seed(2)).index)


def test_errors():
    logits, x = pool(10, 3, 2)
    with pytest.raises(AutoALError, match=r"embeddings has shape \(9, 2\)"):
        badge(logits, x[:9], 2, torch.Generator())
    with pytest.raises(AutoALError, match="n=0"):
        badge(logits, x, 0, torch.Generator())
