import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.diverse_minibatch import DiverseMinibatch
from autoal.testing.tiny import tiny_context, tiny_task


def test_beta_one_takes_the_smallest_margins():
    ctx = tiny_context(tiny_task(), DiverseMinibatch())
    want = kernels.top_n(kernels.margin(ctx.unlabelled.logits), 6)
    got = DiverseMinibatch(beta=1).query(ctx, 6)
    assert set(got.ids.tolist()) == set(ctx.unlabelled.ids[want].tolist())
    assert DiverseMinibatch(beta=4).query(ctx, 6).log["candidates"] == 24


def test_refuses_a_beta_without_candidates():
    with pytest.raises(AutoALError, match=r"beta=0\.1"):
        DiverseMinibatch(beta=0.1)
