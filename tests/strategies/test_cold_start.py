"""Without a single label: who makes a batch, and that the others say what they lack."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from autoal import kernels
from autoal.query.contract import QueryContext
from autoal.query.registry import build
from autoal.testing.tiny import tiny_context, tiny_task

STARTS = (
    *("activeft", "bait", "dcom", "facility_location", "kcenter", "maxherding", "probcover", "typiclust"),
    *("uherding", "wide_herding"),
)


def cold(name: str) -> QueryContext:
    """The tiny world with nothing bought."""
    ctx = tiny_context(tiny_task(), build(name))
    none = torch.zeros(0, dtype=torch.int64)
    return replace(ctx, labelled=ctx.known.take(none), labelled_ids=none, labelled_targets=none)


@pytest.mark.parametrize("name", STARTS)
def test_makes_a_batch_of_its_own(name: str) -> None:
    ctx = cold(name)
    ids = build(name).query(ctx, 6).ids.tolist()
    assert len(set(ids)) == 6
    assert set(ids) <= set(ctx.unlabelled.ids.tolist())


def test_what_a_cold_start_is() -> None:
    """Herding without centres, ProbCover for DCoM, and a design from the prior for BAIT."""
    for name in ("maxherding", "uherding"):
        ctx = cold(name)
        want = kernels.herding(ctx.embeddings, 6).index
        assert build(name).query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want].tolist()
    ctx = cold("bait")
    want = kernels.bait(ctx.embeddings, ctx.unlabelled.logits, 6).index
    assert build("bait").query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want].tolist()
