"""``features=static`` puts other features in the embeddings' place, in every strategy that measures distances."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.query.registry import build
from autoal.testing.tiny import tiny_context, tiny_task

OPTIONS = {
    "activeft": {"steps": 20, "lr": 0.05},
    "cluster_margin": {},
    "dcom": {},
    "facility_location": {},
    "kcenter": {},
    "kcenter_pca": {"components": 3},
    "maxherding": {},
    "probcover": {},
    "typiclust": {},
    "uherding": {"temperature": 1.0},
    "wide_herding": {"temperature": 1.0},
}
TABLE = torch.randn(60, 5, generator=torch.Generator().manual_seed(3))


def static(ids: Tensor) -> Tensor:
    return TABLE[ids]


@pytest.mark.parametrize("name", OPTIONS)
def test_picks_are_those_of_a_classifier_with_these_embeddings(name: str) -> None:
    inside = build({"name": name, **OPTIONS[name]})
    outside = build({"name": name, **OPTIONS[name], "features": "static"})
    assert inside.needs.embeddings
    assert not inside.needs.static
    assert outside.needs.static
    assert not outside.needs.embeddings
    assert not outside.needs.spread
    ctx = tiny_context(tiny_task(), inside)
    given = replace(
        ctx,
        unlabelled=replace(ctx.unlabelled, embeddings=TABLE[ctx.unlabelled.ids]),
        labelled=None if ctx.labelled is None else replace(ctx.labelled, embeddings=TABLE[ctx.labelled_ids]),
    )
    bare = replace(ctx, unlabelled=replace(ctx.unlabelled, embeddings=None), labelled=None, static=static)
    wanted = inside.query(given, 9).ids.tolist()
    assert outside.query(bare, 9).ids.tolist() == wanted


@pytest.mark.parametrize("name", OPTIONS)
def test_the_config_offers_both_and_a_third_is_named(name: str) -> None:
    with pytest.raises(AutoALError, match="pixels"):
        build({"name": name, "features": "pixels"})
