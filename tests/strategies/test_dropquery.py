import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.dropquery import DropQuery
from autoal.testing.tiny import tiny_context, tiny_task


def test_uses_the_head_and_masks_by_round_and_id():
    strategy = DropQuery()
    ctx = tiny_context(tiny_task(), strategy)
    head = ctx.net.head
    want = kernels.dropquery(
        ctx.embeddings,
        ctx.unlabelled.logits,
        head.weight.detach(),
        head.bias.detach(),
        6,
        ctx.stream_seed("masks"),
        ctx.generator(),
        ids=ctx.unlabelled.ids,
    )
    selection = strategy.query(ctx, 6)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["candidates"] > 0


def test_refuses_bad_options():
    for bad in ({"repetitions": 0}, {"dropout": 1.0}, {"enough": 0.5}):
        with pytest.raises(AutoALError, match=f"{next(iter(bad))}="):
            DropQuery(**bad)
