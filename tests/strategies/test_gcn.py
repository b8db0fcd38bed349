"""CoreGCN covers planted clusters, UncertainGCN asks for the surely unlabelled; both keep to the subset."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.query.registry import build
from autoal.strategies.gcn import CoreGCN, UncertainGCN
from autoal.training.task import Task
from tests.strategies.planted import context, planted_task

N_CLUSTERS = 6


def clusters() -> tuple[Task, Tensor]:
    """Clusters along the axes, uneven in size; labels in the first alone. The network passes inputs on."""
    rng = torch.Generator().manual_seed(0)
    sizes = torch.tensor([120, 60, 40, 12, 8, 60])
    member = torch.repeat_interleave(torch.arange(N_CLUSTERS), sizes)
    inputs = torch.eye(N_CLUSTERS)[member] * 4 + torch.rand(len(member), N_CLUSTERS, generator=rng) * 0.3
    task = planted_task(inputs, member % 2, torch.arange(50), hidden=(N_CLUSTERS,))
    return task, member


def identity(task: Task) -> torch.nn.Module:
    net = task.initial_net()
    with torch.no_grad():
        net.backbone.layers[0].weight.copy_(torch.eye(N_CLUSTERS))  # type: ignore[index,union-attr]
        net.backbone.layers[0].bias.zero_()  # type: ignore[index,union-attr]
    return net


def test_coregcn_covers_planted_clusters() -> None:
    task, member = clusters()
    strategy = CoreGCN(lr=0.01)
    selection = strategy.query(context(task, strategy, identity(task)), N_CLUSTERS - 1)  # type: ignore[arg-type]
    # One pick for each cluster that has no label, down to the one of 8 samples.
    assert sorted(member[selection.ids].tolist()) == list(range(1, N_CLUSTERS))
    assert selection.log["gcn_labelled"] > selection.log["gcn_unlabelled"]


def test_uncertaingcn_asks_for_what_is_surely_unlabelled() -> None:
    task, member = clusters()
    strategy = UncertainGCN(margin=0.0, lr=0.01)
    selection = strategy.query(context(task, strategy, identity(task)), 40)  # type: ignore[arg-type]
    assert (member[selection.ids] != 0).all()
    assert selection.log["gcn_picked"] < selection.log["gcn_unlabelled"]
    wide = UncertainGCN(margin=1.0, lr=0.01)
    opposite = wide.query(context(task, wide, identity(task)), 40)  # type: ignore[arg-type]
    assert (member[opposite.ids] == 0).all()


@pytest.mark.parametrize("name", ["coregcn", "uncertaingcn"])
def test_subset_is_kept_to_and_logged(name: str) -> None:
    task, _ = clusters()
    strategy = build({"name": name, "subset": 30, "epochs": 2})
    ctx = context(task, strategy, identity(task))  # type: ignore[arg-type]
    small, large = strategy.query(ctx, 20), strategy.query(ctx, 100)
    assert small.log["gcn_subset"] == 30
    assert large.log["gcn_subset"] == 100
    with pytest.raises(AutoALError, match=r"dropout=1\.0"):
        build({"name": name, "dropout": 1.0})
