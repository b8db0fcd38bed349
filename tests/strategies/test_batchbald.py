import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.batchbald import BatchBALD
from autoal.testing.tiny import tiny_context, tiny_task


def test_uses_the_dropout_masks():
    strategy = BatchBALD(n_samples=6, configurations=81)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.batchbald(ctx.mc_logits, 7, ctx.generator(), 81)
    selection = strategy.query(ctx, 7)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["exact_picks"] == 5
    assert int(want.index[0]) == int(kernels.bald(ctx.mc_logits).argmax())


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match="configurations=0"):
        BatchBALD(configurations=0)
