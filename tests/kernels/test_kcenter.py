import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from autoal.errors import AutoALError
from autoal.kernels import kcenter, kcenter_pca
from autoal.kernels.geometry import Points

from .oracles import greedy_k_center


def clustered(rows, dim, clusters=20, seed=0, dtype=torch.float64, offset=0.0):
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(clusters, dim, generator=g, dtype=torch.float64) * 3
    which = torch.randint(clusters, (rows,), generator=g)
    return (centres[which] + torch.randn(rows, dim, generator=g, dtype=torch.float64) + offset).to(dtype)


def oracle(x, n, labelled):
    x = x.double().numpy()
    distance = lambda i: ((x - x[i]) ** 2).sum(1)  # noqa: E731
    if labelled is None:
        first = int(((x - x.mean(0)) ** 2).sum(1).argmin())
    else:
        first = np.min([((x - c) ** 2).sum(1) for c in labelled.double().numpy()], axis=0)
    return greedy_k_center(distance, n, first)


def assert_same_up_to_ties(picks, x, n, labelled, tolerance):
    """Identical picks, or at the first difference two candidates whose distances agree within the tolerance."""
    want, scores = oracle(x, n, labelled)
    got = picks.index.tolist()
    np.testing.assert_allclose(picks.score.double() ** 2, scores, rtol=tolerance, atol=1e-12)
    assert got == want


@pytest.mark.parametrize("cache_size", [1, 7, 64, 1024])
@pytest.mark.parametrize("with_labelled", [False, True])
def test_identical_to_the_plain_algorithm(cache_size, with_labelled):
    x = clustered(700, 12)
    labelled = clustered(30, 12, seed=1) if with_labelled else None
    picks = kcenter(x, 200, labelled, cache_size=cache_size)
    assert_same_up_to_ties(picks, x, 200, labelled, 1e-9)
    assert picks.log["radius"] == pytest.approx(float(picks.score[-1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_identical_in_narrow_storage(dtype):
    # The data are far from the origin: without centring, products of such numbers lose the distances.
    x = clustered(3000, 16, dtype=dtype, offset=20.0)
    labelled = clustered(40, 16, seed=1, dtype=dtype, offset=20.0)
    picks = kcenter(x, 300, labelled, cache_size=128)
    assert_same_up_to_ties(picks, x, 300, labelled, 1e-5)


def test_many_labelled_centres():
    x, labelled = clustered(400, 6), clustered(2500, 6, seed=2)
    assert_same_up_to_ties(kcenter(x, 60, labelled), x, 60, labelled, 1e-9)


def test_labelled_samples_may_have_another_type():
    x, labelled = clustered(200, 6, dtype=torch.float32), clustered(20, 6, seed=1)
    want = kcenter(x, 30, labelled.float()).index.tolist()
    assert kcenter(x, 30, labelled).index.tolist() == want
    assert kcenter(x.double(), 30, labelled.float()).index.tolist() == want
    assert kcenter_pca(x, 30, labelled).index.tolist() == kcenter_pca(x, 30, labelled.float()).index.tolist()


def test_few_passes():
    x = clustered(8000, 16, dtype=torch.float32)
    assert kcenter(x, 400).log["passes"] <= 12


def test_rows_near_a_centre_are_not_looked_at_again(monkeypatch):
    rows = 0
    nearest_of = Points.nearest_of

    def counted(self, index, centres):
        nonlocal rows
        rows += index.numel() * centres.n
        return nearest_of(self, index, centres)

    monkeypatch.setattr(Points, "nearest_of", counted)
    x = clustered(8000, 16, dtype=torch.float32)
    kcenter(x, 400)
    assert 0 < rows < 0.5 * 8000 * 400


def test_equidistant_rows_need_few_passes():
    # One-hot rows: every distance ties with every other.
    x = torch.eye(600)
    picks = kcenter(x, 500, cache_size=100)
    assert len(set(picks.index.tolist())) == 500
    assert picks.log["passes"] < 60
    torch.testing.assert_close(picks.score[1:], torch.full((499,), 2.0, dtype=torch.float64).sqrt())


def test_repeated_rows_come_last_and_nothing_is_nan():
    g = torch.Generator().manual_seed(0)
    base = torch.randn(40, 5, generator=g) + 300
    x = base.repeat_interleave(25, 0)[torch.randperm(1000, generator=g)]
    picks = kcenter(x, 60, cache_size=64)
    assert torch.isfinite(picks.score).all()
    assert torch.unique(x[picks.index[:40]], dim=0).shape[0] == 40
    assert picks.score[40:].eq(0).all()
    assert len(set(picks.index.tolist())) == 60


def test_a_labelled_copy_is_never_wanted():
    x = clustered(100, 4, dtype=torch.float32)
    picks = kcenter(x, 90, labelled=x[:10])
    assert set(picks.index.tolist()) == set(range(10, 100))


def test_near_duplicates_beside_a_far_cloud():
    # The defect of sqrt(negative rounding): NaN is the largest value for argmax, so near-duplicates were chosen.
    g = torch.Generator().manual_seed(0)
    x = torch.cat([1e-4 * torch.randn(500, 64, generator=g) + 5, torch.randn(20, 64, generator=g) + 5])
    picks = kcenter(x, 20, labelled=x[:1])
    assert set(picks.index.tolist()) == set(range(500, 520))


def test_progress_and_first_pick():
    x = clustered(500, 4)
    calls = []
    picks = kcenter(x, 1, progress=lambda *c: calls.append(c))
    assert calls[-1] == (1, 1)
    assert picks.score.item() == pytest.approx(float(torch.cdist(x[picks.index], x).max()))


def test_pca_against_scikit_learn():
    x, labelled = clustered(500, 20), clustered(50, 20, seed=1)
    pca = PCA(5, svd_solver="full").fit(np.concatenate([x, labelled]))
    want = kcenter(torch.tensor(pca.transform(x)), 60, torch.tensor(pca.transform(labelled)))
    got = kcenter_pca(x, 60, labelled, components=5)
    assert got.index.tolist() == want.index.tolist()
    assert got.log["explained_variance"] == pytest.approx(pca.explained_variance_ratio_.sum())


def test_pca_with_all_components_is_k_center():
    x = clustered(300, 6)
    assert kcenter_pca(x, 40, components=50).index.tolist() == kcenter(x, 40).index.tolist()


def test_pca_does_not_overflow_or_lose_rows_in_half_precision():
    x = (clustered(400, 8) * 3000).half()
    picks = kcenter_pca(x, 50, components=4)
    assert torch.isfinite(picks.score).all()
    assert len(set(picks.index.tolist())) == 50


def test_errors():
    x = torch.zeros(5, 2)
    with pytest.raises(AutoALError, match="n=6"):
        kcenter(x, 6)
    with pytest.raises(AutoALError, match=r"labelled has shape \(3, 4\)"):
        kcenter(x, 2, torch.zeros(3, 4))
    with pytest.raises(AutoALError, match="cache_size=0"):
        kcenter(x, 2, cache_size=0)
    with pytest.raises(AutoALError, match="components=0"):
        kcenter_pca(x, 2, components=0)
    with pytest.raises(AutoALError, match="labelled holds the value inf"):
        kcenter(x, 2, torch.full((3, 2), torch.inf))
