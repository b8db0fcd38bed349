import pytest
import torch

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.epig import EPIG
from autoal.testing.tiny import tiny_context, tiny_task


def test_targets_are_samples_of_the_pool():
    strategy = EPIG(n_samples=5, n_targets=None)
    ctx = tiny_context(tiny_task(), strategy)
    assert torch.equal(strategy.score(ctx), kernels.epig(ctx.mc_logits))
    every = EPIG(n_samples=5, n_targets=1)
    one = every.score(ctx)
    singles = [kernels.epig(ctx.mc_logits, ctx.mc_logits[:, [i]]) for i in range(len(ctx.unlabelled))]
    assert sum(torch.equal(one, value) for value in singles) == 1
    assert not torch.equal(every.score(ctx.within("later")), one)


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match="n_targets=0"):
        EPIG(n_targets=0)
