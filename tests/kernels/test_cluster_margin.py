"""Average linkage against scipy, and the round robin over its clusters."""

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage

from autoal.errors import AutoALError
from autoal.kernels import average_linkage, cluster_margin, margin


def same_partition(a, b):
    pairs = set(zip(a, b, strict=True))
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


def points(rows=120, dim=3, seed=0):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
def test_linkage_is_that_of_scipy(seed):
    x = points(seed=seed)
    tree = linkage(x.numpy(), "average")
    for threshold in (0.3, 0.8, 1.5):
        got, log = average_linkage(x, torch.Generator(), threshold=threshold)
        want = fcluster(tree, threshold, "distance")
        assert same_partition(got.tolist(), want.tolist())
        assert log == {"clusters": len(set(want)), "micro_clusters": 0}
    for size in (1.0, 1.25, 2.0, 7.0):
        got, _ = average_linkage(x, torch.Generator(), average_size=size)
        # Not fcluster's "maxclust": scipy 1.11 merges even where as many clusters as samples are wanted.
        assert same_partition(got.tolist(), cut_tree(tree, int(np.ceil(120 / size)))[:, 0].tolist())


def test_clusters_are_numbered_by_their_first_sample():
    got, _ = average_linkage(torch.tensor([[9.0], [0.0], [9.1], [0.1]]), torch.Generator(), threshold=1.0)
    assert got.tolist() == [0, 1, 0, 1]


def test_micro_clusters_above_the_limit_are_said_so_and_weighted():
    # Ten far groups: the approximation finds them too.
    group = torch.arange(600) % 10
    x = 50 * points(10, seed=5)[group] + 0.1 * points(600)
    got, log = average_linkage(
        x, torch.Generator().manual_seed(0), threshold=5.0, exact_limit=100, micro_clusters=60
    )
    assert same_partition(got.tolist(), group.tolist())
    assert log == {"clusters": 10, "micro_clusters": 60}
    again, _ = average_linkage(
        x, torch.Generator().manual_seed(0), threshold=5.0, exact_limit=100, micro_clusters=60
    )
    assert torch.equal(got, again)


def test_repeated_and_single_samples():
    assert average_linkage(torch.zeros(1, 2), torch.Generator())[0].tolist() == [0]
    got, _ = average_linkage(torch.zeros(40, 2), torch.Generator(), threshold=0.1)
    assert got.tolist() == [0] * 40
    got, log = average_linkage(torch.zeros(40, 2), torch.Generator(), exact_limit=10, micro_clusters=8)
    assert 1 <= log["clusters"] <= 8
    assert len(got) == 40


def explicit(logits, clusters, n, factor):
    score = margin(logits)
    kept = sorted(range(len(score)), key=lambda i: (-float(score[i]), i))[: max(n, int(factor * n))]
    groups = {}
    for i in kept:
        groups.setdefault(int(clusters[i]), []).append(i)
    turns = sorted(groups.values(), key=lambda g: (len(g), kept.index(g[0])))
    out = []
    while len(out) < n:
        for group in turns:
            if group and len(out) < n:
                out.append(group.pop(0))
    return out


@pytest.mark.parametrize("factor", [1.0, 1.25, 10.0])
def test_round_robin_is_that_of_the_definition(factor):
    g = torch.Generator().manual_seed(1)
    for n in (1, 13, 60):
        logits, clusters = torch.randn(150, 4, generator=g), torch.randint(9, (150,), generator=g)
        picks = cluster_margin(logits, clusters, n, factor)
        assert picks.index.tolist() == explicit(logits, clusters, n, factor)


def test_one_cluster_is_margin_and_errors():
    logits = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    assert cluster_margin(logits, torch.zeros(30), 5).index.tolist() == margin(logits).topk(5).indices.tolist()
    with pytest.raises(AutoALError, match=r"factor=0\.5"):
        cluster_margin(logits, torch.zeros(30), 5, 0.5)
    with pytest.raises(AutoALError, match="average_size=0"):
        average_linkage(points(), torch.Generator(), average_size=0)
    with pytest.raises(AutoALError, match="micro_clusters=11"):
        average_linkage(points(), torch.Generator(), exact_limit=10, micro_clusters=11)
    with pytest.raises(AutoALError, match="threshold=-1"):
        average_linkage(points(), torch.Generator(), threshold=-1.0)
