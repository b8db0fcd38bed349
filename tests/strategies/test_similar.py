"""SIMILAR: which labelled samples are targets, and what is bought for them."""

from dataclasses import replace

import pytest
import torch

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.similar import SIMILAR
from autoal.testing.tiny import tiny_context, tiny_task


def imbalanced(strategy, targets):
    return replace(tiny_context(tiny_task(), strategy), labelled_targets=torch.tensor(targets))


def test_looks_for_the_rare_classes_among_the_bought_labels():
    strategy = SIMILAR()
    ctx = imbalanced(strategy, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
    want = kernels.flqmi(ctx.embeddings, ctx.labelled_embeddings[[11]], 6)
    selection = strategy.query(ctx, 6)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["targets"] == 1
    # Without a class that rare the fewest labels count, and a class that was never seen has no sample to look for.
    assert strategy.query(imbalanced(strategy, [0] * 5 + [1] * 7), 6).log["targets"] == 5


def test_conditional_gain_keeps_away_from_the_others():
    strategy = SIMILAR("flcg", target_classes=[1], nu=0.9)
    ctx = imbalanced(strategy, [0] * 4 + [1] * 3 + [2] * 5)
    others = torch.tensor([0, 1, 2, 3, 7, 8, 9, 10, 11])
    want = kernels.flcg(ctx.embeddings, 6, ctx.labelled_embeddings[others], 0.9)
    assert strategy.query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()


def test_targets_nobody_has_seen_yet():
    strategy = SIMILAR(target_classes=[2])
    assert strategy.query(imbalanced(strategy, [0] * 4 + [1] * 8), 6).log["targets"] == 4


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match="form='gcmi' is none of flqmi, flcg"):
        SIMILAR("gcmi")
    with pytest.raises(AutoALError, match="eta=-1"):
        SIMILAR(eta=-1)
    strategy = SIMILAR(target_classes=[3])
    with pytest.raises(AutoALError, match="target_classes holds 3, but there are classes 0 to 2"):
        strategy.query(tiny_context(tiny_task(), strategy), 2)
