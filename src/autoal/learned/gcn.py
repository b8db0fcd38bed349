r"""A graph network over features that tells labelled from unlabelled samples.

The graph joins all samples by cosine similarity. With unit-length features X, :math:`A = X X^\top - I`, and
every product :math:`A H = X (X^\top H) - H` costs O(N D h) and no N x N matrix is ever written.

Against the released code of the graph strategies, rows of the adjacency are normalised (there columns,
:math:`A D^{-1} + I`) and a layer's bias is added before the product with it (there after).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoal.kernels.checks import Progress


class Graph:
    r"""The normalised adjacency :math:`\tilde A = D^{-1} A + I` of unit-length features, as a product.

    Args:
        features: ``(N, D)``; a row of zeros is joined to nothing.
    """

    def __init__(self, features: Tensor) -> None:
        self.x = nn.functional.normalize(features, dim=1)
        self.own = self.x.square().sum(1, keepdim=True)
        degree = self.x @ self.x.sum(0, keepdim=True).T - self.own
        # Less than one neighbour's worth of similarity would blow a sample's surroundings up, or turn them over.
        self.scale = degree.clamp(min=1.0).reciprocal()
        # The first layer's products do not change in training: A~ (X W + 1 b) = (A~ X) W + (A~ 1) b.
        self.smooth_x = self(self.x)
        self.smooth_one = self(torch.ones_like(self.scale))

    def __call__(self, h: Tensor) -> Tensor:
        r"""Return :math:`\tilde A h` for ``(N, k)``."""
        return self.scale * (self.x @ (self.x.T @ h) - self.own * h) + h


class GCN(nn.Module):
    r"""Two graph layers: :math:`\sigma(\tilde A\,\mathrm{ReLU}(\tilde A X \Theta_1) \Theta_2)`.

    Args:
        dim: Width D of the features.
        hidden: Width of the hidden layer.
        dropout: Of the hidden layer, in training.
    """

    def __init__(self, dim: int, hidden: int = 128, dropout: float = 0.3) -> None:
        super().__init__()
        self.first = nn.Linear(dim, hidden)
        self.second = nn.Linear(hidden, 1)
        self.dropout = dropout

    def forward(self, graph: Graph, masks: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return logits ``(N,)`` of "labelled" and the hidden layer ``(N, hidden)``.

        Args:
            graph: The samples.
            masks: CPU generator of the dropout mask; None: no dropout.
        """
        hidden = torch.relu(graph.smooth_x @ self.first.weight.T + graph.smooth_one * self.first.bias)
        h = hidden
        if masks is not None and self.dropout > 0.0:
            keep = (torch.rand(h.shape, generator=masks) >= self.dropout).to(h)
            h = h * keep / (1.0 - self.dropout)
        return graph(self.second(h)).squeeze(1), hidden


def train_gcn(
    net: GCN,
    graph: Graph,
    labelled: Tensor,
    weight: float,
    epochs: int,
    lr: float,
    decay: float,
    seed: int,
    progress: Progress | None = None,
) -> float:
    r"""Train to tell the two pools apart, with full batches; returns the last loss.

    .. math:: L = -\frac{1}{N_L} \sum_{i \in L} \log s_i - \frac{\lambda}{N_U} \sum_{i \in U} \log (1 - s_i)

    (Caramalau, Bhattarai, Kim, CVPR 2021).

    Args:
        net: Changed in place.
        graph: All samples.
        labelled: Mask ``(N,)``.
        weight: :math:`\lambda`.
        epochs: Steps of Adam.
        lr: Its learning rate.
        decay: Its weight decay.
        seed: Of the dropout masks.
        progress: Told (epochs done, epochs).
    """
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=decay)
    masks = torch.Generator().manual_seed(seed)
    value = torch.zeros(())
    for epoch in range(epochs):
        logits, _ = net(graph, masks)
        known = nn.functional.softplus(-logits[labelled]).mean()
        unknown = nn.functional.softplus(logits[~labelled]).mean()
        value = known + weight * unknown
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        if progress is not None:
            progress(epoch + 1, epochs)
    return float(value.detach())
