"""The graph's products are those of the explicit matrix, and the network learns to tell the pools apart."""

from __future__ import annotations

import pytest
import torch

from autoal.learned.gcn import GCN, Graph, train_gcn
from autoal.training.hooks import seeded


@pytest.mark.parametrize("positive", [True, False])
def test_product_is_that_of_the_explicit_matrix(positive: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=rng, dtype=torch.float64)
    x = x.abs() if positive else x
    x[3] = 0.0  # a dead embedding
    unit = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
    adjacency = unit @ unit.T
    adjacency.fill_diagonal_(0.0)
    explicit = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1.0) + torch.eye(40)
    h = torch.randn(40, 3, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(Graph(x)(h), explicit @ h)


def test_learns_where_labels_are() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.cat([torch.randn(60, 8, generator=rng) * 0.1 + c for c in torch.eye(8)[:3]])
    labelled = torch.zeros(180, dtype=torch.bool)
    labelled[:40] = True  # all labels lie in the first cluster
    net = seeded(lambda: GCN(8, 32, 0.3), 0)
    loss = train_gcn(net, Graph(x), labelled, 1.2, 300, 0.01, 5e-4, seed=1)
    confidence = torch.sigmoid(net(Graph(x))[0]).detach()
    assert confidence[40:60].min() > confidence[60:].max()
    again = seeded(lambda: GCN(8, 32, 0.3), 0)
    assert train_gcn(again, Graph(x), labelled, 1.2, 300, 0.01, 5e-4, seed=1) == loss


def test_dropout_masks_follow_the_generator() -> None:
    x = torch.rand(20, 4, generator=torch.Generator().manual_seed(0))
    net = seeded(lambda: GCN(4, 16, 0.5), 0)
    outs = [net(Graph(x), torch.Generator().manual_seed(key))[0] for key in (1, 1, 2)]
    outs.append(net(Graph(x))[0])
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])
    assert not torch.equal(outs[3], outs[0])


def test_first_layer_is_a_graph_layer() -> None:
    x = torch.rand(20, 4, generator=torch.Generator().manual_seed(0))
    net, graph = seeded(lambda: GCN(4, 16, 0.5), 0), Graph(x)
    torch.testing.assert_close(net(graph)[1], torch.relu(graph(net.first(graph.x))))
