"""TypiClust against its definition, with the clusters of the same k-means."""

import torch

from autoal.kernels import typiclust, unit_rows, weighted_kmeans

from .coverage_oracles import plain_typiclust, unit
from .test_herding import clusters


def definition(x, labelled, n, k, **options):
    whole = x if labelled is None else torch.cat([labelled, x])
    known = len(whole) - len(x)
    rng = torch.Generator().manual_seed(0)
    assignment = weighted_kmeans(unit_rows(whole), k, rng, max_iter=50)[1]
    return plain_typiclust(unit(x), assignment.numpy(), known, n, **options)


def test_identical_to_the_definition():
    x, labelled = clusters(400, 6), clusters(15, 6, seed=1)
    for start in (labelled, None):
        known = 0 if start is None else len(start)
        picks = typiclust(x, 40, torch.Generator().manual_seed(0), start)
        assert picks.index.tolist() == definition(x, start, 40, 40 + known)


def test_more_picks_than_clusters_go_round_and_exhausted_clusters_are_passed_over():
    # The defect of published code: a cluster without a sample left made it crash or return too few.
    x = clusters(60, 3, groups=3)
    picks = typiclust(x, 60, torch.Generator().manual_seed(0), max_clusters=7)
    assert picks.index.tolist() == definition(x, None, 60, 7)
    assert sorted(picks.index.tolist()) == list(range(60))
    assert picks.log["clusters"] == 7


def test_small_clusters_come_last():
    g = torch.Generator().manual_seed(0)
    x = torch.cat([torch.tensor([1.0, 0.0, 0.0]) + 0.05 * torch.randn(30, 3, generator=g),
                   torch.tensor([0.0, 1.0, 0.0]) + 0.05 * torch.randn(20, 3, generator=g),
                   torch.tensor([[0.0, 0.0, 1.0]])])  # fmt: skip
    picks = typiclust(x, 3, torch.Generator().manual_seed(0))
    assert picks.log == {"clusters": 3.0, "small_clusters": 1.0}
    assert picks.index[0] < 30 <= picks.index[1] < 50
    assert picks.index[2] < 30  # the lone sample waits, although its cluster has no label


def test_clusters_with_labels_wait():
    g = torch.Generator().manual_seed(0)
    x = torch.cat([torch.tensor([1.0, 0.0]) + 0.02 * torch.randn(30, 2, generator=g),
                   torch.tensor([0.0, 1.0]) + 0.02 * torch.randn(10, 2, generator=g)])  # fmt: skip
    labelled = torch.tensor([[1.0, 0.0]])
    assert typiclust(x, 1, torch.Generator().manual_seed(0), labelled).index[0] >= 30


def test_typicality_uses_distances_and_not_their_squares():
    # Two candidates: neighbours at 1 and 9 (mean 5), or at 4.8 and 4.8 (mean 4.8); squares would say otherwise.
    x = torch.tensor([[0.0], [1.0], [-9.0], [100.0], [104.8], [95.2]])
    one = typiclust(x, 1, torch.Generator(), max_clusters=1, neighbours=2, smallest=0, normalise=False)
    want = plain_typiclust(x.double().numpy(), torch.zeros(6, dtype=torch.int64).numpy(), 0, 1, 0, 2)
    assert one.index.tolist() == want
