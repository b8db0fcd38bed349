import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.alfamix import ALFAMix
from autoal.testing.tiny import tiny_context, tiny_task


@pytest.mark.parametrize("mode", ["closed_form", "reference", "alpha_opt", "random_alpha"])
def test_the_head_and_the_bought_labels_reach_the_kernel(mode):
    strategy = ALFAMix(mode=mode, alpha_cap=0.5)
    ctx = tiny_context(tiny_task(), strategy)
    head = ctx.net.head
    want = kernels.alfamix(
        ctx.unlabelled.embeddings,
        ctx.unlabelled.logits,
        ctx.labelled.embeddings,
        ctx.labelled_targets,
        head.weight.detach(),
        head.bias.detach(),
        6,
        ctx.generator(),
        mode=mode,
        alpha_cap=0.5,
    )
    got = strategy.query(ctx, 6)
    assert got.ids.tolist() == ctx.unlabelled.ids[want.index].tolist()
    assert got.log["candidates"] + got.log["filled"] >= 6


def test_refuses_options_before_anything_is_trained():
    with pytest.raises(AutoALError, match="Did you mean 'alpha_opt'"):
        ALFAMix(mode="alphaopt")
    with pytest.raises(AutoALError, match="alpha_cap=2"):
        ALFAMix(alpha_cap=2)
