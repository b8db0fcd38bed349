import torch

from autoal import kernels
from autoal.strategies.kcenter import KCenter, KCenterPCA
from autoal.testing.tiny import tiny_context, tiny_task


def test_starts_from_the_labelled_samples_and_answers_in_ids():
    ctx = tiny_context(tiny_task(), KCenter())
    pool, labelled = ctx.unlabelled.embeddings.double(), ctx.labelled.embeddings.double()
    selection = KCenter().query(ctx, 6)
    nearest = torch.cdist(pool, labelled).min(1).values
    assert selection.ids[0] == ctx.unlabelled.ids[nearest.argmax()]
    rows = torch.searchsorted(ctx.unlabelled.ids, selection.ids)
    for place in range(1, 6):
        nearest = torch.minimum(nearest, torch.cdist(pool, pool[rows[place - 1 : place]])[:, 0])
        torch.testing.assert_close(selection.scores[place], nearest.max(), rtol=1e-4, atol=1e-6)
    assert selection.log["passes"] >= 1


def test_components_reach_the_kernel():
    strategy = KCenterPCA(components=2)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.kcenter_pca(ctx.unlabelled.embeddings, 6, ctx.labelled.embeddings, components=2)
    assert strategy.query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert 0 < want.log["explained_variance"] <= 1
