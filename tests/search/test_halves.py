from __future__ import annotations

import pytest
import torch

from autoal.search.features import FEATURES
from autoal.search.halves import Counts, hold_out, split_halves, wanted_in_half
from autoal.search.options import SearchOptions
from autoal.search.votes import Candidates
from autoal.testing.tiny import tiny_context, tiny_task
from autoal.training.inference import Needs


@pytest.mark.parametrize("n", [2, 3, 4, 5, 100, 101])
def test_halves_partition_the_labels(n: int) -> None:
    train, valid = split_halves(n, torch.Generator().manual_seed(0))
    assert sorted([*train.tolist(), *valid.tolist()]) == list(range(n))
    assert 0 <= len(train) - len(valid) <= 1
    assert train.tolist() == sorted(train.tolist())


@pytest.mark.parametrize(
    ("share", "n_half", "n_query", "n_all", "wanted"),
    [
        (None, 50, 20, 1000, 1),  # t * n = 1
        (None, 20, 5, 1000, 1),  # t * n = 0.1
        (None, 500, 20, 1000, 10),
        (0.1, 30, 20, 1000, 3),  # 0.1 * 30 is 3.0000000000000004
        (0.1, 31, 20, 1000, 4),
        (1.0, 7, 20, 1000, 7),
    ],
)
def test_wanted_in_half(share: float | None, n_half: int, n_query: int, n_all: int, wanted: int) -> None:
    assert wanted_in_half(SearchOptions(search_share=share), n_half, n_query, n_all) == wanted


def test_the_held_out_half_is_voted_on_as_it_stands() -> None:
    options = SearchOptions(candidates=["margin", "entropy", "kmeans"], grading="binary", search_share=0.5)
    candidates, task = Candidates.of(options), tiny_task()
    from autoal.query.registry import build

    ctx = tiny_context(task, build("kmeans"))
    halves = split_halves(12, torch.Generator().manual_seed(0))
    fitnet = task.initial_net()
    half = hold_out(options, candidates, ctx, fitnet, halves, 6, Counts())
    assert half.wanted == 3
    assert half.votes.sum(0).tolist() == [3, 3, 3]
    assert torch.equal(half.ids, ctx.labelled_ids[halves[1]])
    assert torch.equal(half.targets, ctx.labelled_targets[halves[1]])
    outputs = FEATURES["full"].outputs(fitnet, ctx, halves[1], Needs())
    expected = torch.nn.functional.cross_entropy(outputs.logits, half.targets, reduction="none")
    assert torch.allclose(half.losses, expected)


def test_a_half_may_miss_classes() -> None:
    options = SearchOptions(candidates=["margin"])
    task = tiny_task()
    from autoal.query.registry import build

    ctx = tiny_context(task, build("margin"))
    classes = ctx.labelled_targets
    halves = (classes == 0).nonzero().squeeze(1), (classes != 0).nonzero().squeeze(1)
    half = hold_out(options, Candidates.of(options), ctx, task.initial_net(), halves, 4, Counts())
    assert torch.isfinite(half.losses).all()
    assert 0 not in half.targets
