from autoal import kernels
from autoal.strategies.badge import BADGE
from autoal.testing.tiny import tiny_context, tiny_task


def test_uses_logits_embeddings_and_the_query_stream():
    ctx = tiny_context(tiny_task(), BADGE())
    want = kernels.badge(ctx.unlabelled.logits, ctx.unlabelled.embeddings, 8, ctx.generator())
    assert BADGE().query(ctx, 8).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    later = tiny_context(tiny_task(), BADGE(), round_=1)
    assert BADGE().query(later, 8).ids[1:].tolist() != ctx.unlabelled.ids[want.index].tolist()[1:]
