from dataclasses import replace

import pytest
import torch

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.maxherding import MaxHerding
from autoal.strategies.uherding import UHerding
from autoal.testing.tiny import tiny_context, tiny_task


def test_calibrates_weighs_and_covers():
    strategy = UHerding()
    ctx = tiny_context(tiny_task(), strategy)
    known = ctx.labelled_embeddings
    selection = strategy.query(ctx, 6)
    t = kernels.crossfit_temperature(known, ctx.labelled_targets, ctx.n_classes, ctx.generator("calibrate"))
    h = kernels.labelled_bandwidth(known)
    weights = kernels.margin(ctx.unlabelled.logits.double() / t)
    want = kernels.herding(ctx.embeddings, 6, known, weights, h)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert (selection.log["temperature"], selection.log["bandwidth"]) == (t, h)


def test_equal_uncertainty_makes_it_maxherding():
    strategy = UHerding(bandwidth=1.0)
    ctx = tiny_context(tiny_task(), strategy)
    flat = replace(ctx.unlabelled, logits=torch.zeros_like(ctx.unlabelled.logits))
    ctx = replace(ctx, unlabelled=flat)
    assert strategy.query(ctx, 9).ids.tolist() == MaxHerding().query(ctx, 9).ids.tolist()


def test_a_small_bandwidth_makes_it_margin_sampling():
    strategy = UHerding(bandwidth=1e-5, temperature=1.0)
    ctx = tiny_context(tiny_task(), strategy)
    best = kernels.top_n(kernels.margin(ctx.unlabelled.logits.double()), 9)
    assert strategy.query(ctx, 9).ids.tolist() == ctx.unlabelled.ids[best].tolist()


def test_without_labels_it_is_maxherding():
    strategy = UHerding()
    ctx = tiny_context(tiny_task(), strategy)
    none = torch.zeros(0, dtype=torch.int64)
    ctx = replace(ctx, labelled=ctx.known.take(none), labelled_ids=none, labelled_targets=none)
    assert strategy.query(ctx, 7).ids.tolist() == MaxHerding().query(ctx, 7).ids.tolist()


def test_wrong_options_are_named():
    with pytest.raises(AutoALError, match="bandwidth='mean'"):
        UHerding(bandwidth="mean")
    with pytest.raises(AutoALError, match="temperature=ece"):
        UHerding(temperature="ece")
