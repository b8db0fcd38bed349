from autoal import kernels
from autoal.strategies.typiclust import TypiClust
from autoal.testing.tiny import tiny_context, tiny_task


def test_options_and_the_labelled_samples_reach_the_kernel():
    strategy = TypiClust(max_clusters=9, smallest=2, neighbours=3, max_iter=4)
    ctx = tiny_context(tiny_task(), strategy)
    rng = ctx.generator()
    want = kernels.typiclust(ctx.embeddings, 12, rng, ctx.labelled_embeddings, 9, 2, 3, 4)
    selection = strategy.query(ctx, 12)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["clusters"] == 9
