from autoal import kernels
from autoal.strategies.dcom import DCoM
from autoal.testing.tiny import tiny_context, tiny_task


def test_options_reach_the_kernel():
    strategy = DCoM(0.5, 0.4, 5.0)
    ctx = tiny_context(tiny_task(), strategy)
    known, targets = ctx.labelled_embeddings, ctx.labelled_targets
    want = kernels.dcom(ctx.embeddings, ctx.unlabelled.logits, 6, known, targets, 0.5, 0.4, 5.0)
    selection = strategy.query(ctx, 6)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert 0 <= selection.log["competence"] <= 1
