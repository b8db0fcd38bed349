import pytest
import torch

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.cal import CAL
from autoal.testing.tiny import tiny_context, tiny_task


def test_compares_with_the_labelled_neighbours():
    strategy = CAL(neighbours=3)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.cal(ctx.embeddings, ctx.unlabelled.logits, ctx.labelled_embeddings, ctx.known.logits, 3)
    assert torch.equal(strategy.score(ctx), want)
    assert strategy.query(ctx, 5).ids.tolist() == ctx.unlabelled.ids[kernels.top_n(want, 5)].tolist()


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match="neighbours=0"):
        CAL(neighbours=0)
