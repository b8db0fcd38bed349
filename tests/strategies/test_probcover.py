from autoal import kernels
from autoal.strategies.probcover import ProbCover
from autoal.testing.tiny import tiny_context, tiny_task


def test_takes_the_radius_at_which_clusters_stay_apart():
    strategy = ProbCover()
    ctx = tiny_context(tiny_task(), strategy)
    unit = kernels.unit_rows(ctx.embeddings)
    clusters = kernels.weighted_kmeans(unit, ctx.n_classes, ctx.generator("radius"))[1]
    radius = kernels.pure_radius(ctx.embeddings, clusters)
    selection = strategy.query(ctx, 6)
    want = kernels.probcover(ctx.embeddings, 6, radius, ctx.labelled_embeddings)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert abs(selection.log["radius"] - radius) < 1e-6


def test_a_given_radius_is_used():
    strategy = ProbCover(radius=0.05)
    ctx = tiny_context(tiny_task(), strategy)
    selection = strategy.query(ctx, 6)
    want = kernels.probcover(ctx.embeddings, 6, 0.05, ctx.labelled_embeddings)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["radius"] == 0.05
