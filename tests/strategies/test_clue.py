import pytest

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.clue import CLUE
from autoal.testing.tiny import tiny_context, tiny_task


def test_clusters_with_entropies_at_the_temperature():
    strategy = CLUE(temperature=0.3)
    ctx = tiny_context(tiny_task(), strategy)
    want = kernels.clue(ctx.embeddings, ctx.unlabelled.logits, 6, ctx.generator(), 0.3)
    assert strategy.query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match="temperature=0"):
        CLUE(temperature=0.0)
