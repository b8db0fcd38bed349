import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from autoal.errors import AutoALError
from autoal.kernels import kmeans, nearest_distinct, weighted_kmeans


def blobs(k=6, per=40, d=5, spread=0.05, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(k, d, generator=generator, dtype=dtype) * 4
    x = centres.repeat_interleave(per, 0)
    return x + spread * torch.randn(x.shape, generator=generator, dtype=dtype), centres


def test_a_fixed_point_of_weighted_lloyd():
    x, _ = blobs(spread=1.5)
    weights = torch.rand(len(x), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    centroids, which = weighted_kmeans(x, 6, torch.Generator().manual_seed(0), weights, 500, tol=0)
    distance = torch.cdist(x, centroids)
    assert (which == distance.argmin(1)).all()
    for j in range(6):
        w = weights[which == j, None]
        torch.testing.assert_close(centroids[j], (x[which == j] * w).sum(0) / w.sum())


def test_same_centroids_as_scikit_learn_from_the_same_seeds(monkeypatch):
    x, _ = blobs(spread=1.0)
    weights = torch.rand(len(x), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    module = __import__("sys").modules["autoal.kernels.kmeans"]
    used = []
    original = module.d2_sample
    monkeypatch.setattr(module, "d2_sample", lambda *a, **k: used.append(original(*a, **k)) or used[-1])
    ours, _ = weighted_kmeans(x, 6, torch.Generator().manual_seed(1), weights, 300, tol=0)
    theirs = KMeans(6, init=x[used[0].index].numpy(), n_init=1, tol=0).fit(
        x.numpy(), sample_weight=weights.numpy()
    )
    np.testing.assert_allclose(ours, theirs.cluster_centers_, atol=1e-9)


def test_weights_pull_the_centroid():
    x = torch.tensor([[0.0], [1.0]])
    centroids, _ = weighted_kmeans(x, 1, torch.Generator().manual_seed(0), torch.tensor([1.0, 3.0]))
    assert centroids.item() == pytest.approx(0.75)


def test_mini_batches_find_the_blobs():
    x, centres = blobs(k=5, per=200, dtype=torch.float32)
    centroids, which = weighted_kmeans(x, 5, torch.Generator().manual_seed(3), batch_size=64, max_iter=60)
    assert torch.cdist(centres, centroids).min(1).values.max() < 0.1
    assert torch.unique(which.view(5, 200), dim=1).shape == (5, 1)


def test_an_empty_cluster_is_put_to_use():
    # Seeds 0 and 1e-3 share a blob; a third blob far away is reached only when an empty cluster moves there, or
    # by the seeding itself: in both cases three blobs need three centroids.
    x, _ = blobs(k=3, per=30)
    for seed in range(10):
        centroids, which = weighted_kmeans(x, 3, torch.Generator().manual_seed(seed))
        assert torch.isfinite(centroids).all()
        assert which.bincount(minlength=3).gt(0).all()


def test_pick_is_the_nearest_sample_not_the_cluster_number():
    # k-means answers in the numbering of its clusters; the picks must be rows, here all beyond k.
    x, _ = blobs(k=4, per=25)
    x = torch.cat([x[:1].repeat(30, 1) + 50 + torch.arange(30)[:, None] ** 1.3, x])
    generator = torch.Generator().manual_seed(0)
    picks = kmeans(x, 5, generator)
    centroids, _ = weighted_kmeans(x, 5, torch.Generator().manual_seed(0))
    assert picks.index.tolist() == torch.cdist(centroids, x).argmin(1).tolist()
    assert len(set(picks.index.tolist())) == 5
    assert picks.score.sum().item() == pytest.approx(1)
    inertia = torch.cdist(x, centroids).min(1).values.square().mean()
    assert picks.log["inertia"] == pytest.approx(float(inertia))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nearest_distinct_serves_centroids_in_order(dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 4, generator=generator, dtype=dtype)
    centroids = 0.3 * torch.randn(40, 4, generator=generator, dtype=dtype)
    centroids[10:20] = centroids[0]  # eleven centroids compete for the same samples
    free = torch.ones(300, dtype=torch.bool)
    want = []
    for c in centroids.double():
        d = (x.double() - c).square().sum(1)
        d[~free] = torch.inf
        want.append(int(d.argmin()))
        free[want[-1]] = False
    assert nearest_distinct(x, centroids).tolist() == want


@pytest.mark.parametrize("make", [lambda: torch.zeros(50, 3), lambda: torch.full((50, 3), 7.25)])
def test_constant_features_give_unique_rows(make):
    for n in (1, 7, 50):
        picks = kmeans(make(), n, torch.Generator().manual_seed(0))
        assert len(set(picks.index.tolist())) == n
        assert torch.isfinite(picks.score).all()


def test_seeded_and_blind_to_the_global_stream():
    x = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = kmeans(x, 20, torch.Generator().manual_seed(4)).index
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(one, kmeans(x, 20, torch.Generator().manual_seed(4)).index)
    assert not torch.equal(one, kmeans(x, 20, torch.Generator().manual_seed(5)).index)


def test_half_precision_storage_agrees_with_wide():
    x, _ = blobs(k=8, per=30, dtype=torch.float32)
    x = x.half()
    wide = kmeans(x.float(), 8, torch.Generator().manual_seed(0))
    assert torch.equal(kmeans(x, 8, torch.Generator().manual_seed(0)).index, wide.index)


def test_allowed_low_precision_products_change_nothing():
    x, _ = blobs(k=8, per=30, spread=1.0, dtype=torch.float32)
    want = kmeans(x, 20, torch.Generator().manual_seed(0)).index
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = kmeans(x, 20, torch.Generator().manual_seed(0)).index
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(got, want)


def test_errors_say_the_value():
    g = torch.Generator()
    x = torch.randn(5, 2, generator=g)
    for n in (0, 6):
        with pytest.raises(AutoALError, match=f"n={n}"):
            kmeans(x, n, g)
    with pytest.raises(AutoALError, match="nan"):
        kmeans(torch.tensor([[0.0], [float("nan")]]), 1, g)
    with pytest.raises(AutoALError, match="rescale"):
        kmeans(x * 1e20, 1, g)
    with pytest.raises(AutoALError, match="-2"):
        kmeans(x, 1, g, weights=torch.tensor([1.0, -2, 0, 0, 0]))
    with pytest.raises(AutoALError, match=r"shape \(4,\)"):
        kmeans(x, 1, g, weights=torch.ones(4))
    with pytest.raises(AutoALError, match="max_iter=0"):
        kmeans(x, 1, g, max_iter=0)
    with pytest.raises(AutoALError, match="batch_size=0"):
        kmeans(x, 1, g, batch_size=0)
