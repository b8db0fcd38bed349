"""Strategies that choose sets grade their votes by the order of their picks."""

from __future__ import annotations

import pytest
import torch

from autoal.query.contract import ScoreStrategy
from autoal.query.registry import build, strategies
from autoal.search.options import SearchOptions
from autoal.search.votes import Candidates, cast_votes
from autoal.testing.tiny import tiny_context, tiny_task
from tests.contract.tiny_options import TINY

ORDERED = [name for name, cls in strategies().items() if cls.order != "none"]
NESTED = [name for name in ORDERED if strategies()[name].order == "nested"]


@pytest.mark.parametrize("name", NESTED)
def test_a_nested_batch_begins_with_every_smaller_one(name: str) -> None:
    ctx = tiny_context(tiny_task(), build(name))
    whole = build(name).select(ctx, 24).index.tolist()
    for n in (1, 5, 12):
        assert build(name).select(ctx, n).index.tolist() == whole[:n]


@pytest.mark.parametrize("name", ORDERED)
def test_votes_fall_with_the_place(name: str) -> None:
    spec = {"name": name, **TINY.get(name, {})}
    candidates = Candidates.of(SearchOptions(candidates=[spec]))
    ctx = tiny_context(tiny_task(), candidates.strategies[0])
    votes = cast_votes(candidates, ctx, 4, "linear", 3.0)[:, 0]
    size = 12 if name in NESTED else 4
    picks = build(spec).select(ctx.within("candidate", name), size).index.tolist()
    expected = [0.0] * len(votes)
    for place, row in enumerate(picks):
        expected[row] = 1 - place / 12
    assert votes.tolist() == pytest.approx(expected)
    binary = cast_votes(candidates, ctx, 4, "binary", 3.0)[:, 0]
    assert sorted(set(binary.tolist())) == [0.0, 1.0]
    assert int(binary.sum()) == 4


def test_scores_and_sets_vote_as_before() -> None:
    assert not [name for name in ORDERED if issubclass(strategies()[name], ScoreStrategy)]
    for name in ("kmeans", "badge", "kcenter", "alfamix", "diverse_minibatch"):
        candidates = Candidates.of(SearchOptions(candidates=[name]))
        ctx = tiny_context(tiny_task(), candidates.strategies[0])
        votes = cast_votes(candidates, ctx, 4, "linear", 3.0)[:, 0]
        assert torch.equal(votes.sort().values[-5:], torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0]))


RECENT = (
    *("activeft", "bait", "batchbald", "cal", "clue", "cluster_margin", "dcom", "dropquery", "epig", "falcun"),
    *("facility_location", "ldm_s", "maxherding", "noise_stability", "power", "probcover", "similar", "refine"),
    *("selectal", "softmax_batch", "softrank_batch", "tcm", "typiclust", "uherding", "wide_herding"),
)


@pytest.mark.parametrize("chooser", ["autoal_equal", "albl", "tailor", "refine"])
def test_the_recent_field_serves_every_chooser(chooser: str) -> None:
    task = tiny_task()
    options = {"candidates": [{"name": name, **TINY.get(name, {})} for name in RECENT]}
    cheap = {"refine": {"passes": 1, "batches": 1, "first": 20}}.get(chooser, {})
    strategy = build({"name": chooser, **options, **cheap})
    assert len(set(strategy.query(tiny_context(task, strategy), 6).ids.tolist())) == 6
