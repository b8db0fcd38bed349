"""ENSvarR: disagreement where no label tells the members what to think; members differ, and are resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from autoal.errors import AutoALError
from autoal.strategies.ensemble_var_ratio import EnsembleVarRatio
from tests.strategies.planted import context, planted_task, train_with_hook
from tests.strategies.runs import assert_resumes, experiment


def test_members_disagree_where_labels_leave_them_free() -> None:
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(300, 2, generator=rng)
    targets = (inputs[:, 0] > 0).long()
    inputs[:, 0] += torch.where(targets == 1, 2.0, -2.0)
    between = torch.zeros(300, dtype=torch.bool)
    between[200:240] = True
    inputs[between, 0] *= 0.1  # nobody has seen a label there, and the boundary runs through it
    task = planted_task(inputs, targets, torch.arange(60), epochs=10)
    strategy = EnsembleVarRatio(members=5)
    selection = strategy.query(context(task, strategy, train_with_hook(task, None).net), 10)
    assert between[selection.ids].float().mean() > 0.8  # 40 of 240
    assert selection.log["ens_var_ratio"] > selection.log["ens_var_ratio_pool"]


def test_members_are_independent_and_warm_ones_go_on() -> None:
    inputs = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    task = planted_task(inputs, (inputs[:, 0] > 0).long(), torch.arange(20), epochs=1)
    first = task.new_net("member", 1).state_dict()["head.weight"]
    assert not torch.equal(first, task.new_net("member", 2).state_dict()["head.weight"])
    assert not torch.equal(first, task.initial_net().state_dict()["head.weight"])

    strategy = EnsembleVarRatio(members=3, warm=True)
    net = task.initial_net()
    strategy.query(context(task, strategy, net), 5)
    kept = strategy.state_dict()["weights"]
    assert len(kept) == 2
    assert torch.equal(strategy._start(task, 2).state_dict()["head.weight"], kept[1]["head.weight"])
    cold = EnsembleVarRatio(members=3)
    cold.query(context(task, cold, net), 5)
    assert cold.state_dict()["weights"] == []


def test_needs_members_and_an_experiment() -> None:
    with pytest.raises(AutoALError, match="members=1"):
        EnsembleVarRatio(members=1)
    inputs = torch.randn(30, 3, generator=torch.Generator().manual_seed(1))
    task = planted_task(inputs, torch.arange(30) % 2, torch.arange(10))
    strategy = EnsembleVarRatio()
    with pytest.raises(AutoALError, match="experiment"):
        strategy.query(replace(context(task, strategy, task.initial_net()), task=None), 5)


def test_training_of_members_is_accounted_apart(tmp_path: Path) -> None:
    experiment(tmp_path, "strategy=ensemble_var_ratio", "strategy.members=2").run()
    frame = pd.read_csv(tmp_path / "rounds.csv")
    assert (frame["seconds_members"].dropna() > 0).sum() == 3
    assert frame["seconds_search"].iloc[0] == frame["seconds_members"].iloc[0]


def test_warm_members_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(
        tmp_path, monkeypatch, "strategy=ensemble_var_ratio", "strategy.members=3", "strategy.warm=true"
    )
