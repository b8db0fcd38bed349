"""Learning loss ranks planted losses, copes with odd batches and is reset with the classifier."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from autoal.data.batch import Batch
from autoal.strategies.loss_prediction import LossPredictionHook, LossPredictionLoss
from autoal.training.hooks import TrainingHook
from autoal.training.lit import LitClassifier
from autoal.training.task import Task
from tests.strategies.planted import context, planted_task, run_query, train_with_hook
from tests.strategies.runs import assert_resumes


def noisy_half(n: int = 400) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, labels and the mask of samples whose label is a coin toss: their loss stays high."""
    rng = torch.Generator().manual_seed(1)
    inputs = torch.randn(n, 4, generator=rng)
    hard = inputs[:, 0] > 0
    targets = (inputs[:, 1] > 0).long()
    targets[hard] = torch.randint(0, 2, (int(hard.sum()),), generator=rng)
    inputs[:, 0] += torch.where(hard, 1.0, -1.0)
    inputs[:, 1] += torch.where(inputs[:, 1] > 0, 1.0, -1.0)
    return inputs, targets, hard


def world(epochs: int = 15, labelled: int = 200, batch_size: int = 33) -> tuple[Task, Tensor]:
    inputs, targets, hard = noisy_half()
    return planted_task(inputs, targets, torch.arange(labelled), epochs=epochs, batch_size=batch_size), hard


@pytest.mark.parametrize("joint", [True, False], ids=["trained along", "trained after"])
def test_ranks_planted_losses(joint: bool) -> None:
    task, hard = world()
    strategy = LossPredictionLoss()
    if joint:
        selection = run_query(task, strategy, 40)
        assert strategy._hook is not None
    else:
        selection = strategy.query(context(task, strategy, train_with_hook(task, None).net), 40)
        assert strategy._hook is None
    assert hard[selection.ids].float().mean() > 0.9  # half of the pool is hard
    assert selection.log["lpl_predicted"] > selection.log["lpl_predicted_pool"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_any_batch_size_has_a_loss(size: int) -> None:
    task, _ = world()
    hook = LossPredictionHook((32,), task, 1.0, 1.0, 10)
    net = task.initial_net()
    inputs = task.data.split("train").source.fetch(torch.arange(size))
    batch = Batch(inputs, torch.zeros(size, dtype=torch.int64), torch.arange(size), torch.ones(size) / size, 0)
    value = hook.extra_loss(net, batch, net(inputs))
    value.backward()
    assert torch.isfinite(value)
    assert (value == 0) == (size == 1)  # one sample has no order
    assert all(p.grad is not None for p in hook.parameters())


def test_detached_ranking_leaves_the_backbone_alone() -> None:
    task, _ = world()
    net = task.initial_net()
    inputs = task.data.split("train").source.fetch(torch.arange(8))
    batch = Batch(inputs, torch.arange(8) % 2, torch.arange(8), torch.ones(8) / 8, 0)
    reached = {}
    for epoch in (4, 5):
        hook = LossPredictionHook((32,), task, 1.0, 1.0, detach_epoch=5)
        hook.on_epoch_start(0, epoch)
        net.zero_grad()
        hook.extra_loss(net, batch, net(inputs)).backward()
        reached[epoch] = net.backbone.layers[0].weight.grad is not None
        assert hook.predictor.out.weight.grad is not None
    assert reached == {4: True, 5: False}


def test_module_is_reset_with_the_classifier_and_rides_in_its_checkpoint() -> None:
    task, _ = world(epochs=2)
    strategy = LossPredictionLoss()
    hook = strategy.training_hook(task)
    fresh = {k: v.clone() for k, v in hook.state_dict().items()}
    module = train_with_hook(task, hook)
    trained = {k: v.clone() for k, v in module.state_dict().items()}
    assert not torch.equal(trained["hook.predictor.out.weight"], fresh["predictor.out.weight"])

    other: TrainingHook = LossPredictionLoss().training_hook(task)
    LitClassifier(task.initial_net(), task.optimizer, other).load_state_dict(trained)
    assert torch.equal(other.state_dict()["predictor.out.weight"], trained["hook.predictor.out.weight"])

    hook.on_round_start(1)
    assert all(torch.equal(v, fresh[k]) for k, v in hook.state_dict().items())


def test_subset_bounds_the_choice() -> None:
    task, _ = world(epochs=1)
    strategy = LossPredictionLoss(subset=50, fit_epochs=1)
    selection = strategy.query(context(task, strategy, train_with_hook(task, None).net), 10)
    assert selection.log["lpl_subset"] == 50
    everything = strategy.query(context(task, strategy, task.initial_net()), 120)
    assert everything.log["lpl_subset"] == 120  # never fewer than the picks


@pytest.mark.slow  # test_stops.py ends and resumes it in every quick run
def test_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, "strategy=loss_prediction", "strategy.detach_epoch=4")
