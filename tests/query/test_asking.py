"""A plain torch model, a plain loader, and every strategy's answer or clear refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autoal import kernels, rng
from autoal.errors import AutoALError
from autoal.query import ask, pool_outputs
from autoal.query.registry import build, strategies
from autoal.testing.tiny import tiny_context, tiny_task
from autoal.training.inference import PoolOutputs
from tests.contract.tiny_options import TINY

N, SHAPE, CLASSES = 40, (3, 6, 6), 4
LABELLED = {i: i % CLASSES for i in range(0, 16, 2)}


class Net(nn.Module):
    """Nothing of this package."""

    def __init__(self, last: nn.Module | None = None, bias: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5))
        self.middle = nn.Linear(64, CLASSES)
        self.fc = nn.Linear(CLASSES, CLASSES, bias=bias)
        self.last = last or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.fc(torch.relu(self.middle(self.body(x)))))  # type: ignore[no-any-return]


def model(**options: Any) -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Net(**options)


def data() -> TensorDataset:
    g = torch.Generator().manual_seed(1)
    return TensorDataset(torch.randn(N, *SHAPE, generator=g), torch.arange(N) % CLASSES)


def loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(data(), batch_size=16, **options)


def test_outputs_are_what_the_model_says() -> None:
    net = model()
    outputs = pool_outputs(net, loader())
    net.eval()
    with torch.no_grad():
        hidden = torch.relu(net.middle(net.body(data().tensors[0])))
        assert torch.allclose(outputs.logits, net.fc(hidden), atol=1e-6)
    assert outputs.embeddings is not None
    assert torch.allclose(outputs.embeddings, hidden, atol=1e-6)
    assert outputs.ids.tolist() == list(range(N))


def test_the_model_and_the_random_state_are_left_alone() -> None:
    net = model().train()
    net.body[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    modes, state = [m.training for m in net.modules()], torch.get_rng_state()
    ask("bald", pool_outputs(net, loader(), mc_samples=3), n=3, labelled=LABELLED)
    assert [m.training for m in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_monte_carlo_passes_drop_the_same_units_for_all_samples() -> None:
    twice = DataLoader(TensorDataset(data().tensors[0][:1].repeat(N, 1, 1, 1)), batch_size=7)
    mc = pool_outputs(model(), twice, mc_samples=5).mc_logits
    assert mc is not None
    assert torch.allclose(mc, mc[:, :1].expand_as(mc), atol=1e-5)
    assert not torch.allclose(mc[0], mc[1], atol=1e-3)
    again = pool_outputs(model(), twice, mc_samples=5).mc_logits
    assert again is not None
    assert torch.equal(mc, again)


def test_picks_are_those_of_the_kernel() -> None:
    outputs = pool_outputs(model(), loader())
    rest = torch.tensor([i for i in range(N) if i not in LABELLED])
    assert outputs.embeddings is not None
    margin = kernels.top_n(kernels.margin(outputs.logits[rest]), 5)
    assert ask("margin", outputs, 5, LABELLED).ids.tolist() == rest[margin].tolist()
    generator = rng.generator(3, "strategy", 2)
    badge = kernels.badge(outputs.logits[rest], outputs.embeddings[rest], 5, generator)
    assert ask("badge", outputs, 5, LABELLED, seed=3, round=2).ids.tolist() == rest[badge.index].tolist()
    known = outputs.embeddings[list(LABELLED)]
    kcenter = kernels.kcenter(outputs.embeddings[rest], 5, known)
    assert ask("kcenter", outputs, 5, LABELLED).ids.tolist() == rest[kcenter.index].tolist()


NEED_NO_EXPERIMENT = [
    name for name in strategies() if not build({"name": name, **TINY.get(name, {})}).needs_experiment
]


@pytest.mark.parametrize("name", NEED_NO_EXPERIMENT)
def test_every_strategy_without_training_answers(name: str) -> None:
    outputs = pool_outputs(model(), loader(), mc_samples=4)
    options = {"name": name, **TINY.get(name, {})}
    ids = ask(options, outputs, 6, LABELLED).ids.tolist()
    assert len(set(ids)) == 6
    assert not set(ids) & set(LABELLED)
    assert ask(options, outputs, 6, LABELLED).ids.tolist() == ids


@pytest.mark.parametrize("name", [name for name in strategies() if name not in NEED_NO_EXPERIMENT])
def test_every_other_strategy_says_that_it_needs_an_experiment(name: str) -> None:
    outputs = PoolOutputs(torch.arange(9), torch.randn(9, 3), torch.randn(9, 4))
    with pytest.raises(AutoALError, match=rf"^strategy '{name}' .*needs an experiment"):
        ask({"name": name, **TINY.get(name, {})}, outputs, 2, {0: 1})


def test_the_strategies_that_answer_do_not_look_at_a_task() -> None:
    """What says of itself that it needs no experiment picks the same without one, in the tiny world too."""
    from dataclasses import replace

    task = tiny_task()
    for name in ("margin", "badge", "alfamix", "autoal_equal"):
        strategy = build(name)
        ctx = tiny_context(task, strategy, task.initial_net())
        with_task = strategy.query(ctx, 5).ids.tolist()
        assert build(name).query(replace(ctx, task=None), 5).ids.tolist() == with_task


@pytest.mark.parametrize(
    ("strategy", "net", "options", "labelled", "message"),
    [
        (
            "alfamix",
            {"last": nn.Softmax(1)},
            {},
            LABELLED,
            r"'alfamix' needs embeddings, the input of a linear",
        ),
        ("bald", {}, {}, LABELLED, r"'bald' needs Monte-Carlo dropout: pool_outputs\(.*mc_samples="),
        ("kcenter", {}, {}, None, r"'kcenter' needs labelled samples"),
        ("margin", {}, {}, {99: 0}, r"the index 99, but there are 0 to 39"),
        ("margin", {}, {}, {1: 7}, r"the class 7, but there are 0 to 3"),
        ("margin", {}, {}, ([1, 1], [0, 0]), "an index twice"),
        ("margin", {}, {}, ([1, 2], [0]), "2 indices and 1 classes"),
        ("margin", {}, {}, ([1.5], [0]), "not a vector of integers"),
        ("margni", {}, {}, None, "margin"),
        ("margin", {}, {"shuffle": True}, None, "shuffle=False"),
        ("margin", {}, {"drop_last": True}, None, "drop_last=False"),
        ("margin", {"last": nn.Unflatten(1, (2, 2))}, {}, None, r"logits \(B, C\) are needed"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    strategy: str, net: dict[str, Any], options: dict[str, Any], labelled: Any, message: str
) -> None:
    with pytest.raises(AutoALError, match=message) as error:
        ask(strategy, pool_outputs(model(**net), loader(**options)), 3, labelled)
    assert "\n" not in str(error.value)


def test_other_shapes_of_models_loaders_and_labels() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = model(bias=False)

        def forward(self, x: Tensor) -> Any:
            return type("Output", (), {"logits": self.net(x)})()

    batches = list(data().tensors[0].split(9))
    outputs = pool_outputs(Wrapped(), batches, head="net.fc")
    pair = np.array(list(LABELLED)), np.array(list(LABELLED.values()))
    want = ask("alfamix", outputs, 4, LABELLED).ids.tolist()
    assert ask("alfamix", outputs, 4, pair).ids.tolist() == want
    with pytest.raises(AutoALError, match=r"adversarial_bim.*inputs are needed.*DataLoader"):
        ask("adversarial_bim", outputs, 2, LABELLED)
    with pytest.raises(AutoALError, match=r"head='fc' is no linear layer"):
        pool_outputs(Wrapped(), batches, head="fc")
    with pytest.raises(AutoALError, match=r"head='net.middle' is not the model's"):
        pool_outputs(Wrapped(), batches, head="net.middle")
    with pytest.raises(AutoALError, match="no torch"):
        pool_outputs(nn.Sequential(nn.Flatten(), nn.Linear(108, 3)), batches, mc_samples=2)
