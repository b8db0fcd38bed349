"""Noise stability and LDM-S perturb the trained head."""

import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.ldm_s import LDMS
from autoal.strategies.noise_stability import NoiseStability
from autoal.testing.tiny import tiny_context, tiny_task


@pytest.mark.parametrize(
    ("strategy", "kernel"),
    [
        (NoiseStability(draws=4, scale=0.1), lambda *a: kernels.noise_stability(*a, 4, 0.1)),
        (LDMS(draws=2), lambda *a: kernels.ldm_s(*a, draws=2)),
    ],
)
def test_perturbs_the_head_by_the_query_stream(strategy, kernel):
    ctx = tiny_context(tiny_task(), strategy)
    head = ctx.net.head
    want = kernel(ctx.embeddings, head.weight.detach(), head.bias.detach(), 6, ctx.generator())
    assert strategy.query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()


def test_refuse_bad_options():
    with pytest.raises(AutoALError, match="draws=0"):
        LDMS(draws=0)
    with pytest.raises(AutoALError, match="scale=0"):
        NoiseStability(scale=0.0)
