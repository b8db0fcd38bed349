"""The contract that every registered strategy keeps, for free."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autoal.errors import AutoALError
from autoal.query.contract import QueryStrategy
from autoal.query.registry import build, strategies
from tests.contract.tiny_options import TINY
from tests.tiny import tiny_context, tiny_task

NAMES = list(strategies())


def make(name: str) -> QueryStrategy:
    return build({"name": name, **TINY.get(name, {})})


class Forbidden:
    """Stands where labels are kept; any use of it is an early read."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a label was read before it was bought (.{name})")

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("a label was read before it was bought")

    def __len__(self) -> int:
        raise AssertionError("a label was read before it was bought")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 5, 48])
def test_gives_exactly_n_unique_unlabelled_ids(name: str, n: int) -> None:
    task = tiny_task()
    strategy = make(name)
    ctx = tiny_context(task, strategy)
    assert len(ctx.unlabelled) == 48
    selection = strategy.query(ctx, n)
    assert selection.ids.dtype == torch.int64
    assert len(selection.ids) == len(selection.scores) == n
    assert len(set(selection.ids.tolist())) == n
    assert set(selection.ids.tolist()) <= set(task.data.pool.unlabelled.tolist())
    assert torch.isfinite(selection.scores).all()
    assert all(isinstance(v, float) for v in selection.log.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [0, -1, 49])
def test_refuses_a_query_that_does_not_fit(name: str, n: int) -> None:
    strategy = make(name)
    ctx = tiny_context(tiny_task(), strategy)
    with pytest.raises(AutoALError, match=str(n)):
        strategy.query(ctx, n)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dataset", [{"duplicates": True}, {"one_class": True}], ids=["duplicates", "one class"])
def test_copes_with_degenerate_data(name: str, dataset: dict[str, bool]) -> None:
    strategy = make(name)
    ctx = tiny_context(tiny_task(**dataset), strategy)
    for n in (7, len(ctx.unlabelled)):
        assert len(set(strategy.query(ctx, n).ids.tolist())) == n


@pytest.mark.parametrize("name", NAMES)
def test_refuses_a_network_that_diverged(name: str) -> None:
    task = tiny_task()
    strategy = make(name)
    net = task.initial_net()
    with torch.no_grad():
        net.head.weight[0, 0] = float("nan")
        net.head.bias[1] = float("nan")
    ctx = tiny_context(task, strategy, net)
    with pytest.raises(AutoALError, match="not finite"):
        strategy.query(ctx, 3)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_picks(name: str) -> None:
    picks = []
    for disturb in (False, True):
        if disturb:
            torch.manual_seed(999)  # a global state that a hidden draw would follow
            torch.rand(17)
        strategy = make(name)
        picks.append(strategy.query(tiny_context(tiny_task(seed=3), strategy), 6).ids.tolist())
    assert picks[0] == picks[1]


@pytest.mark.parametrize("name", NAMES)
def test_leaves_the_model_and_global_state_alone(name: str) -> None:
    task = tiny_task()
    strategy = make(name)
    net = task.initial_net()
    task.fit(net, task.data.pool.labelled, task.data.pool.labels(task.data.pool.labelled), ("task", 0))
    for mode in (True, False):
        net.train(mode)
        net.backbone.norm.train(not mode)  # modes of single layers are kept too
        before = {k: v.clone() for k, v in net.state_dict().items()}
        modes = [m.training for m in net.modules()]
        requires = [p.requires_grad for p in net.parameters()]
        cpu_rng = torch.get_rng_state().clone()
        unlabelled = task.data.pool.unlabelled.clone()
        strategy.query(tiny_context(task, strategy, net), 5)
        assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
        assert [m.training for m in net.modules()] == modes
        assert [p.requires_grad for p in net.parameters()] == requires
        assert torch.equal(torch.get_rng_state(), cpu_rng)
        assert torch.equal(task.data.pool.unlabelled, unlabelled)
        assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", NAMES)
def test_reads_no_label_before_it_is_bought(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny_task()
    strategy = make(name)
    ctx = tiny_context(task, strategy)
    monkeypatch.setattr(task.data, "oracle", Forbidden())
    monkeypatch.setattr(task.data.split("train"), "targets", Forbidden())
    monkeypatch.setattr(task.data.split("test"), "targets", Forbidden())
    assert len(strategy.query(ctx, 4).ids) == 4


@pytest.mark.parametrize("name", NAMES)
def test_state_survives_a_resume(name: str) -> None:
    """The next query of a restored strategy is the query that the original would have made."""
    task = tiny_task()
    first = make(name)
    first.query(tiny_context(task, first), 4)
    restored = make(name)
    restored.load_state_dict(first.state_dict())
    ids = [s.query(tiny_context(task, s, round_=1), 4).ids.tolist() for s in (first, restored)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("name", [n for n in NAMES if make(n).needs.mc_samples])
def test_needs_dropout_and_says_so(name: str) -> None:
    net = tiny_task(dropout=0.0).initial_net()
    with pytest.raises(AutoALError, match=r"backbone\.dropout"):
        make(name).check(net)


@pytest.mark.parametrize("name", NAMES)
def test_is_documented_and_configured(name: str, root: Any) -> None:
    assert strategies()[name].info.summary
    assert (strategies()[name].__doc__ or "").strip()
    config = root / "conf" / "strategy" / f"{name}.yaml"
    assert config.exists(), f"strategy {name} has no {config}"
    assert f"name: {name}" in config.read_text()
