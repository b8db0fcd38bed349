import torch

from autoal import kernels
from autoal.strategies.maxherding import MaxHerding
from autoal.testing.tiny import tiny_context, tiny_task


def test_covers_from_the_labelled_samples_and_answers_in_ids():
    strategy = MaxHerding()
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.herding(ctx.embeddings, 6, ctx.labelled_embeddings)
    selection = strategy.query(ctx, 6)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert torch.equal(selection.scores, want.score)
    assert selection.scores[0] > 0
    assert 0 < selection.log["coverage"] <= 1


def test_options_reach_the_kernel():
    strategy = MaxHerding("laplace", 0.3, targets=20)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.herding(
        ctx.embeddings,
        6,
        ctx.labelled_embeddings,
        kernel="laplace",
        bandwidth=0.3,
        targets=20,
        generator=ctx.generator("targets"),
    )
    selection = strategy.query(ctx, 6)
    assert selection.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert selection.log["targets"] == 20
