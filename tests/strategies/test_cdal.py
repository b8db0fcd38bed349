from autoal import kernels
from autoal.strategies.cdal import CDAL
from autoal.testing.tiny import tiny_context, tiny_task


def test_covers_from_the_labelled_predictions():
    ctx = tiny_context(tiny_task(), CDAL())
    want = kernels.cdal(ctx.unlabelled.logits, 8, ctx.labelled.logits)
    assert CDAL().query(ctx, 8).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert want.index.tolist() != kernels.cdal(ctx.unlabelled.logits, 8).index.tolist()
