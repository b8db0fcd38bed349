from dataclasses import replace

import pytest
import torch
from torch import Tensor

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.maxherding import MaxHerding
from autoal.strategies.uherding import UHerding
from autoal.strategies.wide_herding import WideHerding
from autoal.testing.tiny import tiny_context, tiny_task


def test_weighs_by_a_power_and_widens_the_kernel() -> None:
    strategy = WideHerding(exponent=2.0, scale=3.0, least=0.0)
    ctx = tiny_context(tiny_task(), strategy)
    known = ctx.labelled_embeddings
    selection = strategy.query(ctx, 6)
    t = kernels.crossfit_temperature(known, ctx.labelled_targets, ctx.n_classes, ctx.generator("calibrate"))
    h = 3 * kernels.labelled_bandwidth(known)
    weights = kernels.margin(ctx.unlabelled.logits.double() / t) ** 2
    want = kernels.herding(ctx.embeddings, 6, known, weights, h)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["bandwidth"] == h


def test_the_bandwidth_has_a_floor() -> None:
    strategy = WideHerding(scale=1e-9, least=0.7)
    assert strategy.query(tiny_context(tiny_task(), strategy), 3).log["bandwidth"] == 0.7


def test_its_neighbours_are_uherding_and_maxherding() -> None:
    ctx = tiny_context(tiny_task(), UHerding())
    plain = WideHerding(scale=1.0, least=0.0).query(ctx, 8).ids
    assert plain.tolist() == UHerding().query(ctx, 8).ids.tolist()
    flat = WideHerding(exponent=0.0, scale=1e-9, least=1.0).query(ctx, 8).ids
    assert flat.tolist() == MaxHerding().query(ctx, 8).ids.tolist()


def test_static_features_take_the_embeddings_place() -> None:
    strategy = WideHerding(temperature=1.0, features="static")
    assert not strategy.needs.embeddings
    ctx = tiny_context(tiny_task(), strategy)
    table = torch.randn(60, 5, generator=torch.Generator().manual_seed(3))

    def static(ids: Tensor) -> Tensor:
        return table[ids]

    ctx = replace(ctx, static=static)
    selection = strategy.query(ctx, 5)
    known = table[ctx.labelled_ids]
    h = max(2.5 * kernels.labelled_bandwidth(known), 0.2)
    weights = kernels.margin(ctx.unlabelled.logits.double())
    want = kernels.herding(table[ctx.unlabelled.ids], 5, known, weights, h)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()


@pytest.mark.parametrize("options", [{"exponent": -1.0}, {"scale": 0.0}, {"least": -0.1}, {"features": "pixels"}])
def test_wrong_options_are_named(options: dict[str, float | str]) -> None:
    with pytest.raises(AutoALError, match=next(iter(options))):
        WideHerding(**options)  # type: ignore[arg-type]
