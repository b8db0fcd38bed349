"""Queries compute in float32 whatever the training does; further networks are trained as the classifier is."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch.plugins.precision import HalfPrecision, MixedPrecision
from torch import nn

from autoal.distributed import World
from autoal.query.registry import build
from autoal.testing.tiny import tiny_context, tiny_task
from autoal.training.inference import Needs, pool_pass
from autoal.training.precision import Mixed, exact

NEEDS = Needs(embeddings=True, mc_samples=3)


def _numbers(outputs: object) -> list[torch.Tensor]:
    return [getattr(outputs, name) for name in ("logits", "embeddings", "mc_logits")]


def test_autocast_changes_nothing_that_decides_a_pick() -> None:
    task = tiny_task()
    net, ids = task.initial_net(), task.data.pool.unlabelled
    plain = pool_pass(net, task.data, ids, NEEDS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pool_pass(net, task.data, ids, NEEDS)
    for mine, theirs in zip(_numbers(inside), _numbers(plain), strict=True):
        assert mine.dtype == torch.float32
        assert torch.equal(mine, theirs)


def test_narrow_weights_speak_in_float32() -> None:
    task = tiny_task()
    net = task.initial_net().bfloat16()
    with HalfPrecision("bf16-true").forward_context(), exact(torch.device("cpu"), torch.bfloat16):
        outputs = pool_pass(net, task.data, task.data.pool.unlabelled, NEEDS)
        assert torch.zeros(1).dtype == torch.float32
    assert torch.get_default_dtype() == torch.float32
    for numbers in _numbers(outputs):
        assert numbers.dtype == torch.float32
    head = nn.Linear(net.head.in_features, net.head.out_features)
    head.load_state_dict({k: v.float() for k, v in net.head.state_dict().items()})
    assert outputs.embeddings is not None
    torch.testing.assert_close(outputs.logits, head(outputs.embeddings).detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["margin", "badge", "kcenter"])
def test_picks_do_not_know_of_autocast(name: str) -> None:
    task, strategy = tiny_task(), build({"name": name})
    net = task.initial_net()
    plain = strategy.query(tiny_context(task, strategy, net), 6)
    with torch.autocast("cpu", dtype=torch.bfloat16), exact(torch.device("cpu"), torch.float32):
        inside = strategy.query(tiny_context(task, strategy, net), 6)
    assert inside.ids.tolist() == plain.ids.tolist()
    assert torch.equal(inside.scores, plain.scores)


def _fp16() -> MixedPrecision:
    return MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))


def test_a_further_network_is_trained_in_the_precision_of_the_trainer() -> None:
    seen = []

    class Watched(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = super().forward(x)
            seen.append(out.dtype)
            return out

    for plugin, dtype in ((None, torch.float32), (MixedPrecision("bf16-mixed", "cpu"), torch.bfloat16)):
        task = tiny_task(epochs=1)
        task.precision = plugin
        net = task.initial_net()
        net.head.__class__ = Watched
        seen.clear()
        task.fit(net, task.data.pool.labelled, task.data.pool.labels(task.data.pool.labelled), ("further", 0))
        assert set(seen) == {dtype}


def test_fp16_keeps_gradients_that_underflow() -> None:
    # In fp16 a gradient below 2^-24 is 0 unless the loss is scaled.
    def gradient(mixed: Mixed) -> float:
        weight = nn.Parameter(torch.zeros(1, 1))
        optimizer = torch.optim.SGD([weight], lr=1.0)
        with mixed.forward():
            loss = nn.functional.linear(torch.full((1, 1), 1e-3), weight).float().sum() * 1e-5
        mixed.scaled(loss).backward()
        mixed.step(optimizer)
        return float(weight.detach())

    unscaled = Mixed(MixedPrecision("bf16-mixed", "cpu"))
    unscaled.forward = _fp16().forward_context  # type: ignore[method-assign]
    assert gradient(unscaled) == 0.0
    assert gradient(Mixed(_fp16())) == pytest.approx(-1e-8, rel=0.05, abs=0.0)


def test_a_step_of_infinite_gradients_is_left_out() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    mixed = Mixed(_fp16())
    mixed.scaled(weight.sum() * float("inf")).backward()
    mixed.step(optimizer)
    assert weight.item() == 1.0
    optimizer.zero_grad()
    mixed.scaled(weight.sum()).backward()
    mixed.step(optimizer)
    assert weight.item() == 0.0


def test_further_networks_have_the_batch_norm_of_the_classifier() -> None:
    task = tiny_task()
    task.sync_batchnorm = True
    kinds = {type(m) for m in task.new_net("further").modules()}
    assert nn.SyncBatchNorm not in kinds
    task.data.world = World(0, 2)
    kinds = {type(m) for m in task.new_net("further").modules()}
    assert nn.SyncBatchNorm in kinds
    assert nn.BatchNorm2d not in kinds
