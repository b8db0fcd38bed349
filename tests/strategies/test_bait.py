import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.query.registry import build
from autoal.strategies.bait import BAIT
from autoal.testing.tiny import tiny_context, tiny_task


@pytest.mark.parametrize("form", ["binary", "top2", "full"])
def test_uses_raw_embeddings_of_both_pools(form):
    strategy = BAIT(form, lam=0.5)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.bait(
        ctx.embeddings, ctx.unlabelled.logits, 8, ctx.labelled_embeddings, ctx.known.logits, form=form, lam=0.5
    )
    assert strategy.query(ctx, 8).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match=r"unknown strategy\.form 'bce'\. Valid: binary, full, top2"):
        build({"name": "bait", "form": "bce"})
    with pytest.raises(AutoALError, match="lam=0"):
        BAIT(lam=0.0)
