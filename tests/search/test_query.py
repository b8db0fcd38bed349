from __future__ import annotations

import pytest
import torch

from autoal.distributed import World
from autoal.search.query import choose, herded, top_b


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def world(n: int = 50, voted: int = 20) -> dict[str, torch.Tensor]:
    g = generator()
    votes = torch.zeros(n, 2)
    votes[torch.randperm(n, generator=g)[:voted]] = 0.5 + 0.5 * torch.rand(voted, 2, generator=g)
    return {
        "score": votes.mean(1),
        "votes": votes,
        "logits": torch.randn(n, 3, generator=g),
        "embeddings": torch.randn(n, 4, generator=g),
    }


@pytest.mark.parametrize("rule", ["topb", "kmeans", "released"])
@pytest.mark.parametrize("n", [1, 7, 20, 21, 50])
@pytest.mark.parametrize("voted", [0, 3, 20, 50])
def test_exactly_n_unique_rows_and_the_nominated_first(rule: str, n: int, voted: int) -> None:
    w = world(voted=voted)
    picks = choose(rule, **w, predicted=None, n=n, generator=generator())
    rows = set(picks.index.tolist())
    assert len(rows) == n
    nominated = set(w["votes"].any(1).nonzero().squeeze(1).tolist())
    assert len(rows & nominated) == min(n, voted)
    assert torch.equal(picks.score, w["score"][picks.index])


def test_top_b_takes_the_highest_scores_and_breaks_ties_by_predicted_loss_then_row() -> None:
    score = torch.tensor([0.5, 0.9, 0.5, 0.5, 0.0, 0.0])
    tie = torch.tensor([1.0, 0.0, 2.0, 1.0, 1.0, 7.0])
    assert top_b(score, score > 0, tie, 6).tolist() == [1, 2, 0, 3, 5, 4]


def test_fewer_nominated_than_wanted_are_filled_by_the_next_ranked() -> None:
    score = torch.tensor([0.0, 0.7, 0.0, 0.0])
    assert top_b(score, score > 0, torch.tensor([3.0, 0.0, 9.0, 1.0]), 3).tolist() == [1, 2, 0]


def test_the_released_rule_lets_unvoted_samples_outrank_votes_of_negative_weight() -> None:
    score = torch.tensor([-0.5, 0.0, 0.3, -0.1])
    votes = torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    logits = torch.zeros(4, 2)
    picks = choose("released", score, votes, logits, None, None, 2, generator())
    assert picks.index.tolist() == [2, 1]
    assert choose("topb", score, votes, logits, None, None, 2, generator()).index.tolist() == [2, 3]


def test_clustering_spreads_the_picks_where_top_b_does_not() -> None:
    g = generator()
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    embeddings = torch.cat([c + 0.1 * torch.randn(20, 2, generator=g) for c in centres])
    score = torch.cat([torch.full((20,), 1.0), torch.full((20,), 0.9), torch.full((20,), 0.8)])
    common = (score, score[:, None], torch.zeros(60, 2), embeddings, None, 3)
    assert sorted((choose("topb", *common, generator()).index // 20).tolist()) == [0, 0, 0]
    assert sorted((choose("kmeans", *common, generator()).index // 20).tolist()) == [0, 1, 2]


def test_confident_samples_do_not_pull_centroids_when_weighted_by_margin() -> None:
    g = generator()
    embeddings = torch.cat([torch.randn(30, 2, generator=g), 8 + torch.randn(30, 2, generator=g)])
    logits = torch.zeros(60, 2)
    logits[30:, 0] = 50.0  # certain
    score = torch.ones(60)
    args = (score, score[:, None], logits, embeddings, None, 6)
    by_margin = choose("kmeans", *args, generator(), query_weight="margin").index
    plain = choose("kmeans", *args, generator(), query_weight="none").index
    assert (by_margin < 30).all()
    assert (plain >= 30).any()


def herding_world(n: int = 60) -> dict[str, torch.Tensor]:
    g = generator(3)
    return {
        "embeddings": torch.randn(n, 5, generator=g),
        "known": torch.randn(7, 5, generator=g),
        "unsure": torch.rand(n, generator=g, dtype=torch.float64),
        "share": torch.rand(n, generator=g),
    }


@pytest.mark.parametrize(("exponent", "tilt"), [(1.0, 0.5), (2.0, -0.5), (0.0, 0.3), (1.0, 0.0)])
def test_herding_maximises_the_tilted_coverage_greedily(exponent: float, tilt: float) -> None:
    w = herding_world()
    got = herded(**w, n=9, world=World(), bandwidth=0.7, exponent=exponent, tilt=tilt).index.tolist()
    x = torch.nn.functional.normalize(w["embeddings"].double(), dim=1)
    centres = torch.nn.functional.normalize(w["known"].double(), dim=1)
    target = w["unsure"] ** exponent * (1 + tilt * (2 * w["share"].double() - 1))
    alike = torch.exp(-(torch.cdist(x, x) ** 2) / 0.7**2)
    covered, want = torch.exp(-(torch.cdist(x, centres) ** 2) / 0.7**2).amax(1), []
    for _ in range(9):
        gain = (target[:, None] * (alike - covered[:, None]).clamp(min=0)).sum(0)
        gain[want] = -1
        want.append(int(gain.argmax()))
        covered = torch.maximum(covered, alike[:, want[-1]])
    assert got == want


def test_herding_may_count_a_part_of_the_samples_and_choose_any() -> None:
    w = herding_world()
    common = {**w, "n": 30, "world": World(), "bandwidth": 0.7}
    whole = herded(**common, targets=None).index
    assert torch.equal(whole, herded(**common, targets=60, generator=generator()).index)
    some = herded(**common, targets=20, generator=generator(5)).index
    assert torch.equal(some, herded(**common, targets=20, generator=generator(5)).index)
    assert not torch.equal(some, whole)
    assert len(some.unique()) == 30  # more than are counted


def test_votes_move_the_batch_by_a_bounded_amount() -> None:
    w = herding_world()
    flat = {**w, "share": torch.full((60,), 0.5)}
    apart = {"n": 9, "world": World(), "bandwidth": 0.7}
    without = herded(**w, **apart, tilt=0.0).index
    assert torch.equal(without, herded(**flat, **apart, tilt=0.5).index)
    assert not torch.equal(without, herded(**w, **apart, tilt=0.5).index)
