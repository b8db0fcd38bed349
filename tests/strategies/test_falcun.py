import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.falcun import FALCUN
from autoal.testing.tiny import tiny_context, tiny_task


def test_draws_from_the_query_stream():
    strategy = FALCUN(gamma=4)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.falcun(ctx.unlabelled.logits, 6, ctx.generator(), 4.0)
    assert strategy.query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match="gamma=-1"):
        FALCUN(gamma=-1)
