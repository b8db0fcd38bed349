"""ALBL moves to the planted best candidate, weighs samples as they were drawn, and resumes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoal.errors import AutoALError
from autoal.query.contract import QueryContext
from autoal.strategies.albl import ALBL
from autoal.training.inference import PoolOutputs
from tests.strategies.planted import context, planted_task
from tests.strategies.runs import assert_resumes, experiment, rows
from tests.strategies.wishes import Wish, noisy, replace_candidates

N = 600


def play(best: int, rounds: int, strategy: ALBL) -> list[dict[str, float]]:
    """Candidates own halves of the pool; the classifier is right exactly after the best one's batch was bought."""
    half = torch.arange(N) % 2
    candidates = [Wish(f"arm{k}", noisy(half == k, k)) for k in range(2)]
    replace_candidates(strategy, candidates)
    targets = torch.zeros(N, dtype=torch.int64)
    task = planted_task(torch.rand(N, 2, generator=torch.Generator().manual_seed(0)), targets, torch.arange(2))
    net = task.initial_net()
    logs, good = [], False
    for round_ in range(rounds):
        task.data.round = round_
        ctx = with_accuracy(context(task, strategy, net), good)
        selection = strategy.query(ctx, 2)
        task.data.pool.add(selection.ids, task.data.oracle.buy(selection.ids))
        good = bool((half[selection.ids] == best).all())
        logs.append(selection.log)
    return logs


def with_accuracy(ctx: QueryContext, good: bool) -> QueryContext:
    logits = torch.tensor([[5.0, -5.0] if good else [-5.0, 5.0]]).expand(len(ctx.labelled_ids), -1)
    assert ctx.labelled is not None
    return replace(ctx, labelled=PoolOutputs(ctx.labelled_ids, logits, ctx.labelled.embeddings))


@pytest.mark.parametrize("best", [0, 1])
def test_moves_to_the_planted_best_candidate(best: int) -> None:
    logs = play(best, 200, ALBL(("random", "margin"), horizon=200))
    assert logs[0][f"albl_p_arm{best}"] == pytest.approx(0.5)
    assert logs[-1][f"albl_p_arm{best}"] > 0.85
    chosen = [log["albl_arm"] for log in logs[100:]]
    assert sum(candidate == best for candidate in chosen) > 80
    assert "albl_reward" not in logs[0]
    assert {log["albl_reward"] for log in logs[1:]} == {0.0, 1.0}


def equal_rewards(seed: int, size: int = 1180, n: int = 20, rounds: int = 10) -> list[tuple[Exp4PByHand, Any]]:
    """Let random sampling and three candidates play while the classifier is always right; NumPy follows."""
    strategy = ALBL(("random", "margin", "margin", "margin"), horizon=rounds)
    wishes = [noisy(torch.arange(size) % 3 == k, 10 * seed + k) for k in range(3)]
    replace_candidates(
        strategy, [strategy.candidates[0], *(Wish(f"arm{k}", wish) for k, wish in enumerate(wishes))]
    )
    inputs = torch.rand(size, 2, generator=torch.Generator().manual_seed(0))
    task = planted_task(inputs, torch.zeros(size, dtype=torch.int64), torch.arange(20), seed=seed)
    net, by_hand, played = task.initial_net(), Exp4PByHand(4, rounds), []
    for round_ in range(rounds):
        task.data.round = round_
        ctx = with_accuracy(context(task, strategy, net), good=True)
        pool = ctx.unlabelled.ids.numpy()
        psi = np.zeros((4, len(pool)))
        psi[0] = n / len(pool)
        for k, wish in enumerate(wishes):
            psi[k + 1, np.argsort(-wish.numpy()[pool], kind="stable")[:n]] = 1.0
        before = replace(by_hand)
        selection = strategy.query(ctx, n)
        by_hand.learn(1.0, psi[:, np.isin(pool, selection.ids.numpy())])
        task.data.pool.add(selection.ids, task.data.oracle.buy(selection.ids))
        played.append((before, selection.log))
    return played


@dataclass
class Exp4PByHand:
    """EXP4.P in which expert k advises arm k (Beygelzimer et al. 2011, algorithm 1), in NumPy."""

    k: int
    horizon: int
    w: Any = 1.0

    def p(self) -> Any:
        p_min = np.sqrt(np.log(self.k) / (self.k * self.horizon))
        w = self.w * np.ones(self.k)
        return (1 - self.k * p_min) * w / w.sum() + p_min

    def learn(self, reward: float, psi: Any) -> None:
        """Take in a batch: ``psi[k, i]`` is the probability that candidate k's batch holds its sample i."""
        p = self.p()
        estimate = reward * (psi / (p @ psi)).mean(1)
        bonus = np.sqrt(np.log(self.k / 0.1) / (self.k * self.horizon)) / p
        self.w = self.w * np.exp(np.sqrt(np.log(self.k) / (self.k * self.horizon)) / 2 * (estimate + bonus))


def test_probabilities_are_those_of_exp4p_by_hand() -> None:
    for by_hand, log in equal_rewards(0):
        logged = [log[f"albl_p_{label}"] for label in ("random", "arm0", "arm1", "arm2")]
        np.testing.assert_allclose(logged, by_hand.p(), rtol=1e-9)


def test_equal_rewards_keep_the_arms_near_uniform() -> None:
    last = [log for seed in range(8) for _, log in equal_rewards(seed)[-1:]]
    labels = ("random", "arm0", "arm1", "arm2")
    mean = np.mean([[log[f"albl_p_{label}"] for label in labels] for log in last], axis=0)
    np.testing.assert_allclose(mean, 0.25, atol=0.04)


def test_variance_of_a_candidate_is_one_over_its_probability() -> None:
    inputs = torch.rand(1180, 2, generator=torch.Generator().manual_seed(0))
    task = planted_task(inputs, torch.zeros(1180, dtype=torch.int64), torch.arange(20))
    strategy = ALBL(("random", "margin", "margin", "margin"), horizon=10)
    strategy.query(context(task, strategy, task.initial_net()), 20)
    assert strategy._credit["variance"].tolist() == pytest.approx([4.0] * 4)


def test_samples_are_weighted_by_the_probability_that_they_were_bought() -> None:
    task = planted_task(
        torch.rand(100, 2, generator=torch.Generator().manual_seed(0)),
        torch.zeros(100, dtype=torch.int64),
        torch.arange(20),
    )
    strategy = ALBL(("random", "margin", "margin"), horizon=10)
    ctx = context(task, strategy, task.initial_net())
    picked = strategy.query(ctx, 8).ids
    margins = strategy.candidates[1].query(ctx, 8).ids
    # Both margin candidates hold the same batch; random sampling adds 8/80 of its third everywhere.
    expected = torch.where(torch.isin(picked, margins), 2 / 3 + 0.1 / 3, 0.1 / 3)
    torch.testing.assert_close(1.0 / strategy._weights, expected.double())
    credit = strategy._credit["reward"]
    assert float((strategy.bandit.probabilities() * credit).sum()) == pytest.approx(1.0)


def test_state_holds_bandit_weights_and_open_credit() -> None:
    strategy = ALBL(("random", "margin"), horizon=50)
    play(0, 20, strategy)
    other = ALBL(("random", "margin"), horizon=50)
    other.load_state_dict(strategy.state_dict())
    assert torch.equal(other.bandit.probabilities(), strategy.bandit.probabilities())
    assert torch.equal(other._ids, strategy._ids)
    assert torch.equal(other._credit["reward"], strategy._credit["reward"])


def test_candidates_and_horizon_come_from_the_config(tmp_path: Path) -> None:
    run = experiment(tmp_path, "strategy=albl", "strategy.candidates=[random,{name:entropy_mc,n_samples:3}]")
    assert isinstance(run.strategy, ALBL)
    assert run.strategy.needs.mc_samples == 3
    assert run.strategy.bandit.p_min == ALBL(("random", "margin"), horizon=3).bandit.p_min
    run.run()
    assert set(rows(tmp_path).columns) > {"albl_p_random", "albl_p_entropy_mc", "albl_reward"}
    with pytest.raises(AutoALError, match="at least two"):
        ALBL(("margin",))


def test_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, "strategy=albl")
