"""TAILOR moves to the candidate that finds rare classes, forgets at the set rate, and resumes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext
from autoal.strategies.tailor import Tailor
from autoal.training.hooks import HookList
from autoal.training.task import Task
from tests.strategies.planted import context, planted_task
from tests.strategies.runs import assert_resumes
from tests.strategies.wishes import Wish, noisy, replace_candidates


def imbalanced(n: int = 1000) -> tuple[Task, torch.Tensor]:
    """One sample in ten is of class 1."""
    rng = torch.Generator().manual_seed(0)
    targets = (torch.rand(n, generator=rng) < 0.1).long()
    return planted_task(torch.rand(n, 2, generator=rng), targets, torch.arange(40)), targets


@pytest.mark.parametrize("best", [0, 1])
def test_moves_to_the_candidate_that_finds_the_rare_class(best: int) -> None:
    task, targets = imbalanced()
    strategy = Tailor(("random", "margin"))
    candidates = [Wish(f"arm{k}", noisy(targets == (1 if k == best else 0), k)) for k in range(2)]
    replace_candidates(strategy, candidates)
    shares = []
    for round_ in range(5):
        task.data.round = round_
        selection = strategy.query(context(task, strategy, task.initial_net()), 10)
        assert len(selection.ids.unique()) == 10
        task.data.pool.add(selection.ids, task.data.oracle.buy(selection.ids))
        shares.append(selection.log[f"tailor_arm{best}"])
    assert 0.2 <= shares[0] <= 0.8  # nothing is known yet
    assert min(shares[2:4]) > 0.8  # before the classes are even
    assert abs(float(task.data.pool.labels(task.data.pool.labelled).double().mean()) - 0.5) < 0.15


def test_counts_follow_labels_with_discount() -> None:
    task, targets = imbalanced()
    strategy = Tailor(("random", "margin"), discount=0.5)
    selections = []
    for round_ in range(2):
        task.data.round = round_
        selection = strategy.query(context(task, strategy, task.initial_net()), 12)
        selections.append((selection.ids, strategy._pending[:, 1].clone()))
        task.data.pool.add(selection.ids, task.data.oracle.buy(selection.ids))
    counts = strategy._learn(context(task, strategy, task.initial_net()))
    expected = torch.zeros(2, 2, dtype=torch.float64)
    for factor, (ids, asked) in zip((0.5, 1.0), selections, strict=True):
        for i, k in zip(ids, asked, strict=True):
            expected[k, targets[i]] += factor
    torch.testing.assert_close(counts, expected)


class Counting(Wish):
    """Counts how it is asked."""

    def __init__(self, name: str, wish: torch.Tensor) -> None:
        super().__init__(name, wish)
        self.asked: list[int] = []

    def select(self, ctx: QueryContext, n: int) -> Picks:
        self.asked.append(n)
        return super().select(ctx, n)


def test_each_candidate_is_asked_for_its_whole_share_at_once() -> None:
    """A published copy asks for one sample at a time, which takes their batch rule from k-means or herding."""
    task, _ = imbalanced(200)
    strategy = Tailor(("random", "margin"))
    candidates = [
        Counting(f"arm{k}", torch.rand(200, generator=torch.Generator().manual_seed(k))) for k in range(2)
    ]
    replace_candidates(strategy, candidates)
    log = strategy.query(context(task, strategy, task.initial_net()), 20).log
    assert [one.asked for one in candidates] == [[round(20 * log[f"tailor_arm{k}"])] for k in range(2)]


def test_unbought_picks_teach_nothing() -> None:
    task, _ = imbalanced()
    strategy = Tailor(("random", "margin"))
    ctx = context(task, strategy, task.initial_net())
    strategy.query(ctx, 12)
    assert strategy._learn(ctx).sum() == 0


def test_hooks_and_states_of_candidates_are_kept() -> None:
    task, _ = imbalanced()
    strategy = Tailor(("loss_prediction", "waal", "margin"))
    assert isinstance(strategy.training_hook(task), HookList)
    assert strategy.needs.labelled
    assert strategy.needs.embeddings
    assert len(strategy.state_dict()["arms"]) == 3


def test_refuses_bad_options() -> None:
    with pytest.raises(AutoALError, match="discount=0"):
        Tailor(discount=0.0)
    with pytest.raises(AutoALError, match="at least two"):
        Tailor("margin")


def test_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, "strategy=tailor")
