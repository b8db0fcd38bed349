from autoal import kernels
from autoal.strategies.activeft import ActiveFT
from autoal.testing.tiny import tiny_context, tiny_task


def test_options_and_the_labelled_samples_reach_the_kernel():
    strategy = ActiveFT(steps=5, lr=0.02, temperature=0.2, balance=0.5)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.activeft(ctx.embeddings, 6, ctx.generator(), ctx.labelled_embeddings, 5, 0.02, 0.2, 0.5)
    selection = strategy.query(ctx, 6)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["loss"] == want.log["loss"]
