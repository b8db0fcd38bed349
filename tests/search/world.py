"""A held-out half made by hand: votes, losses and inputs that are known exactly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autoal.distributed import World
from autoal.models.base import Backbone
from autoal.models.mlp import MLP
from autoal.search.features import RowsById
from autoal.search.fitnet import FitNetTrainer
from autoal.search.halves import Counts, HeldOut
from autoal.search.loop import Search
from autoal.search.networks import GlobalWeights, SearchNet, head_on_features
from autoal.search.options import SearchOptions
from autoal.search.votes import rank_votes

K = 5
DIM = 6
PAPER: dict[str, Any] = {
    "objective": "sigmoid",
    "weights": "sample",
    "anchor": 0.0,
    "budget_penalty": 1.0,
    "searchnet_optimizer": "sgd",
    "searchnet_lr": 0.005,
    "grading": "binary",
}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mlp(seed: int) -> Backbone:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MLP((DIM,), [16, 12])


def make_half(
    seed: int = 0, n: int = 60, q: int = 6, planted: int = 2, useless: int = 4, graded: bool = False
) -> tuple[HeldOut, RowsById]:
    """Random votes, but column ``planted`` votes for the highest losses and ``useless`` for the lowest.

    Binary votes are for q samples each; graded ones fall linearly over the whole half.
    """
    g = generator(seed)
    inputs = torch.randn(n, DIM, generator=g)
    losses = torch.rand(n, generator=g) ** 2 * 3
    votes = torch.zeros(n, K)
    for column in range(K):
        score = {planted: losses, useless: -losses}.get(column, torch.rand(n, generator=g))
        if graded:
            votes[:, column] = rank_votes(score, n)
        else:
            votes[score.argsort(descending=True)[:q], column] = 1.0
    ids = torch.arange(n) * 3
    targets = torch.randint(0, 4, (n,), generator=g)
    return HeldOut(ids, targets, votes, losses, q), RowsById(ids, inputs)


def make_source(options: SearchOptions, seed: int = 0) -> GlobalWeights | SearchNet:
    prior = torch.full((K,), 1 / K)
    if options.weights == "global":
        return GlobalWeights(prior)
    return SearchNet(mlp(seed), prior, options.searchnet, seed)


def make_search(
    options: SearchOptions, half: HeldOut, fetch: RowsById, seed: int = 0, fitnet: nn.Module | None = None
) -> Search:
    counts = Counts()
    trainer = None
    if options.alternate:
        net = head_on_features(DIM, 4, 0.5, seed)
        trainer = FitNetTrainer(net, fetch, World(), options, seed, counts)
    prior = torch.full((K,), 1 / K)
    source = make_source(options, seed)
    return Search(options, half, source, trainer, fetch, prior, World(), generator(seed), counts)


def mean_weights(search: Search) -> Tensor:
    """Mean weights of all candidates over the held-out half, ``(K,)``."""
    search.source.eval()
    with torch.no_grad():
        return search.source.weigh(search.fetch, search.half.ids).logits.softmax(1).mean(0)
