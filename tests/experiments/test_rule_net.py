"""The net that learns rules offline goes where the gain is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.autoal_study.offline.evidence import rank, views, worth
from experiments.autoal_study.offline.fast import Herder, heads, logits
from experiments.autoal_study.offline.learn import (
    RuleNet,
    Table,
    concordance,
    fixed,
    rehearsal,
    search_net,
)
from experiments.autoal_study.offline.rehearse import rehearse, ridge_logits
from experiments.autoal_study.offline.simulate import State, new_net
from experiments.autoal_study.offline.states import ARMS, HERDING, THETAS, trained
from experiments.autoal_study.offline.worlds import synthetic

COVERAGE, UNCERTAINTY = THETAS.index((0.0, 3.0)), THETAS.index((4.0, 3.0))


def planted(seed: int, arm: int) -> Table:
    """States of three origins in which one arm gains a point more, under noise of a point and a half."""
    rng = np.random.default_rng(seed)
    gain = rng.normal(0, 1.5, (60, len(ARMS), 2))
    gain[:, arm] += 1.0
    origin = np.repeat(["a", "b", "c"], 20)
    worlds = gain[:, None, :HERDING, 0] + rng.normal(0, 1.5, (60, 6, HERDING))
    return Table(gain, rng.normal(size=(60, 22)), np.zeros((60, len(ARMS), 1)), origin, worlds, np.ones((60, 6)))


def test_the_gradient_reaches_every_parameter() -> None:
    draw = torch.Generator().manual_seed(0)
    net = RuleNet(18, torch.full((HERDING,), -math.log(HERDING)))
    state, gain = torch.randn(30, 18, generator=draw), torch.randn(30, HERDING, generator=draw)
    net.loss(state, gain, torch.full((30,), 1 / 30), 0.3).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None
        assert (parameter.grad.abs() > 0).all(), name


@pytest.mark.slow
@pytest.mark.parametrize("arm", [COVERAGE, UNCERTAINTY])
def test_it_moves_to_coverage_where_coverage_pays_and_to_uncertainty_where_that_does(arm: int) -> None:
    found = 0
    for seed in range(10):
        table = planted(seed, arm)
        found += int((search_net(slice(0, 18), 0.3)(table, planted(seed + 100, arm)) == arm).mean() > 0.5)
    assert found >= 9


def test_rehearsal_takes_the_rule_that_its_worlds_reward_and_stays_at_the_fixed_one_if_they_disagree() -> None:
    seen, unseen = planted(0, COVERAGE), planted(1, UNCERTAINTY)
    clear = np.zeros((60, 6, HERDING))
    clear[:, :, UNCERTAINTY] = 2.0
    sure, torn = replace(unseen, proxy=clear), clear.copy()
    torn[:, 1:, UNCERTAINTY] = -2.0
    for policy in (rehearsal(False), rehearsal(True)):
        assert (policy(seen, sure) == UNCERTAINTY).all()
    assert (rehearsal(True)(seen, replace(unseen, proxy=torn)) == fixed(seen)).all()
    mine = replace(unseen, proxy=torn, alike=np.eye(6)[np.zeros(60, int)])
    assert (rehearsal(False)(seen, mine) == UNCERTAINTY).all(), "a world that is not alike counts nothing"
    assert concordance(sure)[0].startswith("tau, clusters: +0.")


def test_a_proxy_world_fits_the_real_ones_looks_and_its_gains_are_those_of_retraining() -> None:
    world = synthetic("gauss")(1)
    state = trained(world, torch.arange(0, 1000, 40), 0, 0)
    v = views(state, 1.0)
    draw = torch.Generator().manual_seed(0)
    rules = [(1.0, 3.0, None), (0.0, 3.0, None), (1.0, 3.0, "leverage")]
    found = rehearse(state, v, 6, rules, 1.0, 3, draw)
    assert found.gain.shape == (3, 3)
    assert ((found.alike > 0) & (found.alike <= 1)).all()
    assert found.alike[2] == pytest.approx(1.0, abs=0.05), "the classifier's own world gives back its labels"
    unit = torch.nn.functional.normalize(world.x, dim=1)
    got = ridge_logits(unit, world.y, state.labelled[None], world.classes, state.free)[0]
    x, y = (
        unit[state.labelled].double(),
        torch.nn.functional.one_hot(world.y[state.labelled], world.classes).double(),
    )
    k = x @ x.T + 1 / len(x) + 0.1 * torch.eye(len(x)).double()
    want = (unit[state.free].double() @ x.T + 1 / len(x)) @ torch.linalg.inv(k) @ (y - y.mean(0)) + y.mean(0)
    torch.testing.assert_close(got.double(), want, atol=1e-4, rtol=1e-4)


def test_the_fast_head_and_the_fast_herding_agree_with_the_projects() -> None:
    from autoal.kernels import herding
    from experiments.autoal_study.offline.simulate import L2, fit

    world = synthetic("gauss")(1)
    rows = torch.arange(0, 1200, 30)
    state = State(world, new_net(world), rows, 0)
    fit(state.net, world.x[rows], world.y[rows])
    fast = logits(world.x_test, heads(world.x, world.y, [rows], world.classes, L2))[0]
    with torch.no_grad():
        same = (fast.argmax(1) == state.net.head(world.x_test).argmax(1)).double().mean()
    assert same > 0.95
    unit = torch.nn.functional.normalize(world.x, dim=1)
    weights = torch.rand(len(state.free), generator=torch.Generator().manual_seed(1))
    got = Herder(unit, rows, state.free).pick(weights, 8, 1.0)
    assert got.tolist() == herding(unit[state.free], 8, unit[rows], weights, 1.0).index.tolist()


def test_worth_is_that_of_leaving_samples_out() -> None:
    world = synthetic("prototypes")(3)
    rows = torch.arange(0, 600, 40)
    state = State(world, new_net(world), rows, 0)
    value, _, _ = worth(state, penalty=0.1)
    x = torch.nn.functional.normalize(world.x[rows], dim=1).double()
    y = torch.nn.functional.one_hot(world.y[rows], world.classes).double()
    y = y - y.mean(0)
    k = x @ x.T + 1.0 / len(x)

    def residual(j: int, out: list[int]) -> float:
        kept = [i for i in range(len(x)) if i not in out]
        a = torch.linalg.solve(k[kept][:, kept] + 0.1 * torch.eye(len(kept)).double(), y[kept])
        return float((y[j] - k[j, kept] @ a).square().sum())

    others = [j for j in range(len(x)) if j != 2]
    want = sum(residual(j, [2, j]) - residual(j, [j]) for j in others) / len(others)
    assert float(value[2]) == pytest.approx(want, rel=1e-6)


def test_ranks_are_shared_by_equal_values() -> None:
    assert rank(torch.tensor([5.0, 1.0, 1.0, 9.0, 2.0])).tolist() == [0.5, -0.75, -0.75, 1.0, 0.0]
