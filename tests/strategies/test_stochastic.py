"""Stochastic batches over a base strategy."""

import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.query.registry import build
from autoal.testing.tiny import tiny_context, tiny_task


@pytest.mark.parametrize("name", ["power", "softmax_batch", "softrank_batch"])
def test_noise_belongs_to_the_round_and_the_sample(name):
    strategy = build({"name": name, "base": "margin", "beta": 2})
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.stochastic_batch(
        kernels.margin(ctx.unlabelled.logits),
        6,
        ctx.stream_seed("gumbel"),
        ctx.unlabelled.ids,
        name.removesuffix("_batch"),
        2.0,
    )
    assert strategy.query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()


def test_powerbald_is_the_default_and_a_large_beta_is_the_base():
    assert build("power").base.name == "bald"
    cold = build({"name": "power", "base": "bald", "beta": 1e6})
    ctx = tiny_context(tiny_task(), cold)
    assert cold.query(ctx, 6).ids.tolist() == build("bald").query(ctx, 6).ids.tolist()


def test_refuses_a_base_without_scores():
    with pytest.raises(AutoALError, match="base=kcenter does not score samples one by one"):
        build({"name": "power", "base": "kcenter"})
    with pytest.raises(AutoALError, match="beta=-1"):
        build({"name": "softmax_batch", "beta": -1})
