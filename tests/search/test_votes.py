from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal.errors import AutoALError
from autoal.query.contract import QueryContext
from autoal.search.options import CANDIDATE_SETS, SearchOptions
from autoal.search.votes import Candidates, cast_votes, rank_votes
from autoal.testing.tiny import tiny_task
from autoal.training.inference import PoolOutputs


def context(n: int = 40, seed: int = 0) -> QueryContext:
    g = torch.Generator().manual_seed(seed)
    outputs = PoolOutputs(
        torch.arange(n) * 2,
        torch.randn(n, 3, generator=g),
        torch.randn(n, 5, generator=g),
        torch.randn(10, n, 3, generator=g),
    )
    nothing = torch.zeros(0, dtype=torch.int64)
    return QueryContext(outputs, nothing, nothing, 3, tiny_task().initial_net(), lambda ids: ids)


def of(*names: str) -> Candidates:
    return Candidates.of(SearchOptions(candidates=list(names)))


def test_rank_votes_fall_linearly_with_the_rank() -> None:
    score = torch.tensor([0.1, 0.9, 0.5, 0.3, 0.2])
    assert rank_votes(score, 4).tolist() == pytest.approx([0.0, 1.0, 0.75, 0.5, 0.25])


def test_equal_scores_share_their_mean_rank() -> None:
    assert rank_votes(torch.tensor([1.0, 5.0, 1.0, 1.0]), 4).tolist() == pytest.approx([0.5, 1.0, 0.5, 0.5])


def test_a_candidate_without_an_opinion_nominates_nothing_in_a_narrow_window() -> None:
    assert rank_votes(torch.zeros(100), 10).sum() == 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 40), st.integers(0, 99))
def test_rank_votes_do_not_depend_on_the_order(scores: list[int], width: int, seed: int) -> None:
    score = torch.tensor(scores, dtype=torch.float32)
    order = torch.randperm(len(score), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(rank_votes(score[order], width), rank_votes(score, width)[order])


def test_binary_votes_are_what_each_candidate_would_pick() -> None:
    ctx, candidates = context(), of("margin", "kmeans", "bald")
    votes = cast_votes(candidates, ctx, 6, "binary", 10.0)
    assert votes.sum(0).tolist() == [6, 6, 6]
    margin = candidates.strategies[0].select(ctx, 6).index
    assert set(votes[:, 0].nonzero().squeeze(1).tolist()) == set(margin.tolist())


def test_linear_votes_grade_scores_and_leave_sets_binary() -> None:
    votes = cast_votes(of("margin", "kmeans"), context(), 3, "linear", 5.0)
    assert (votes[:, 0] > 0).sum() == 15
    assert votes[:, 0].max() == 1.0
    assert sorted(votes[:, 1].unique().tolist()) == [0.0, 1.0]
    assert votes[:, 1].sum() == 3


def test_votes_of_a_candidate_do_not_depend_on_the_others() -> None:
    alone = cast_votes(of("kmeans"), context(), 5, "binary", 10.0)
    among = cast_votes(of("margin", "kmeans", "random"), context(), 5, "binary", 10.0)
    assert torch.equal(alone[:, 0], among[:, 1])


def test_the_same_candidate_twice_has_two_names_and_two_streams() -> None:
    candidates = of("random", "random")
    assert candidates.names == ["random", "random_2"]
    votes = cast_votes(candidates, context(), 5, "binary", 10.0)
    assert not torch.equal(votes[:, 0], votes[:, 1])


def test_more_votes_than_samples_are_all_samples() -> None:
    assert cast_votes(of("margin", "kmeans"), context(4), 9, "binary", 10.0).tolist() == [[1, 1]] * 4


def test_needs_are_those_of_all_candidates() -> None:
    needs = of("margin", "kmeans", "bald").needs
    assert needs.embeddings
    assert needs.mc_samples == 10


@pytest.mark.parametrize("name", CANDIDATE_SETS)
def test_named_sets_can_be_built(name: str) -> None:
    assert len(Candidates.of(SearchOptions(candidates=name))) == len(CANDIDATE_SETS[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": "paper8"}, "paper7"),
        ({"candidates": []}, "at least one"),
        ({"candidates": ["margn"]}, "Did you mean 'margin'"),
        ({"grading": "lineal"}, "Did you mean 'linear'"),
        ({"temperature": 0.0}, "temperature"),
        ({"steps": 0}, "steps"),
        ({"anchor": -1.0}, "anchor"),
        ({"search_share": 1.5}, "search_share"),
        ({"keep": ["searchnot"]}, "searchnet"),
        ({"ancor": 1.0}, "Did you mean 'strategy.anchor'"),
    ],
)
def test_bad_options_name_the_way_out(options: dict[str, object], message: str) -> None:
    with pytest.raises(AutoALError, match=message):
        Candidates.of(SearchOptions.of(options))


def test_priors_are_shares_and_checked() -> None:
    assert SearchOptions(prior={"a": 0.6}).prior_of(["a", "b", "c"]) == pytest.approx([0.6, 0.2, 0.2])
    assert SearchOptions(prior={"a": 0.6, "b": 0.2}).prior_of(["a", "b"]) == pytest.approx([0.75, 0.25])
    assert SearchOptions(prior={"a": 0.6}, weights="equal").prior_of(["a", "b"]) == [0.5, 0.5]
    assert SearchOptions(prior=None).prior_of(["a", "b"]) == [0.5, 0.5]
    # The default names margin, which need not be a candidate.
    assert SearchOptions().prior_of(["entropy", "margin"]) == pytest.approx([0.25, 0.75])
    assert SearchOptions().prior_of(["entropy", "badge"]) == [0.5, 0.5]
    assert SearchOptions().prior_of(["margin"]) == [1.0]
    with pytest.raises(AutoALError, match=r"candidate in strategy\.prior"):
        SearchOptions(prior={"z": 0.5}).prior_of(["a", "b"])
    for share in (0.0, -1.0, 6.0):
        with pytest.raises(AutoALError, match="share between 0 and 1"):
            SearchOptions(prior={"a": share}).prior_of(["a", "b"])
    with pytest.raises(AutoALError, match="nothing for the 2 other"):
        SearchOptions(prior={"a": 1.0}).prior_of(["a", "b", "c"])
