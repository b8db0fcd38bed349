"""Cluster-Margin: the clusters are those of the first query, also after a resume."""

from dataclasses import replace

import pytest
import torch

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.cluster_margin import ClusterMargin
from autoal.testing.tiny import tiny_context, tiny_task


def test_clusters_once_and_keeps_them():
    strategy = ClusterMargin(factor=2)
    ctx = tiny_context(tiny_task(), strategy)
    clusters, _ = kernels.average_linkage(ctx.embeddings, ctx.generator("clusters"))
    want = kernels.cluster_margin(ctx.unlabelled.logits, clusters, 6, 2)
    assert strategy.query(ctx, 6).ids.tolist() == ctx.unlabelled.ids[want.index].tolist()

    rows = torch.arange(3, 40)  # some have been bought, and the network has moved on
    fewer = ctx.unlabelled.take(rows)
    fewer.embeddings = torch.randn(len(rows), 8, generator=torch.Generator().manual_seed(0))
    later = replace(ctx, unlabelled=fewer)
    want = kernels.cluster_margin(fewer.logits, clusters[rows], 5, 2)
    selection = strategy.query(later, 5)
    assert selection.ids.tolist() == fewer.ids[want.index].tolist()
    assert selection.log["micro_clusters"] == 0

    restored = ClusterMargin(factor=2)
    restored.load_state_dict(strategy.state_dict())
    assert restored.query(later, 5).ids.tolist() == selection.ids.tolist()


def test_says_that_a_large_pool_is_merged_from_micro_clusters():
    strategy = ClusterMargin(exact_limit=20, micro_clusters=10)
    assert strategy.query(tiny_context(tiny_task(), strategy), 6).log["micro_clusters"] > 0


def test_refuses_bad_options():
    with pytest.raises(AutoALError, match=r"factor=0\.5"):
        ClusterMargin(factor=0.5)
