"""The net that learns rules offline goes where the gain is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from experiments.autoal_study.offline.evidence import rank, worth
from experiments.autoal_study.offline.fast import Herder, heads, logits
from experiments.autoal_study.offline.learn import RuleNet, Table, search_net
from experiments.autoal_study.offline.simulate import State, new_net
from experiments.autoal_study.offline.states import ARMS, HERDING, THETAS
from experiments.autoal_study.offline.worlds import synthetic

COVERAGE, UNCERTAINTY = THETAS.index((0.0, 3.0)), THETAS.index((4.0, 3.0))


def planted(seed: int, arm: int) -> Table:
    """States of three origins in which one arm gains a point more, under noise of a point and a half."""
    rng = np.random.default_rng(seed)
    gain = rng.normal(0, 1.5, (60, len(ARMS), 2))
    gain[:, arm] += 1.0
    return Table(gain, rng.normal(size=(60, 22)), np.zeros((60, len(ARMS), 1)), np.repeat(["a", "b", "c"], 20))


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
