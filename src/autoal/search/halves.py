"""The simulation of a query on bought labels: one half plays the labelled pool, the other the unlabelled."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext
from autoal.search.features import FEATURES
from autoal.search.options import SearchOptions
from autoal.search.votes import Candidates, cast_votes, fits_of
from autoal.training.inference import PoolOutputs

MIN_LABELLED = 4
"""Below two samples per half there is nothing to hold out (nor a batch for batch norm)."""


@dataclass
class Counts:
    """Work of a search, for its cost model.

    Attributes:
        images: Samples that passed forward through FitNet and SearchNet.
        kmeans_fits: k-means fits on the held-out half and on the pool.
    """

    images: dict[str, int] = field(default_factory=lambda: {"fitnet": 0, "searchnet": 0})
    kmeans_fits: int = 0


@dataclass
class HeldOut:
    """The held-out half, as the search sees it. All tensors on the networks' device but the ids.

    Attributes:
        ids: Sample ids ``(n,)``.
        targets: Bought labels ``(n,)``.
        votes: ``(n, K)`` in [0, 1].
        losses: FitNet's cross-entropy before the search ``(n,)``.
        wanted: q: how many samples a query on this half takes.
    """

    ids: Tensor
    targets: Tensor
    votes: Tensor
    losses: Tensor
    wanted: int

    def __len__(self) -> int:
        return len(self.ids)


def split_halves(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut ``range(n)`` at random into a train half and a held-out half, each in ascending order.

    Args:
        n: Number of labelled samples; the train half gets the odd one.
        generator: The round's split stream.
    """
    order = torch.randperm(n, generator=generator)
    cut = n - n // 2
    return order[:cut].sort().values, order[cut:].sort().values


def wanted_in_half(options: SearchOptions, n_half: int, n_query: int, n_all: int) -> int:
    """Return q on the held-out half, at least 1.

    Args:
        options: Gives ``search_share``; None takes the same fraction as the query does.
        n_half: Size of the half.
        n_query: The query batch b.
        n_all: Pool and labels together, M + N.
    """
    share = n_query / n_all if options.search_share is None else options.search_share
    # The small number keeps 0.1 * 30 = 3.0000000000000004 from becoming 4.
    return min(n_half, max(1, math.ceil(share * n_half - 1e-9)))


def hold_out(
    options: SearchOptions,
    candidates: Candidates,
    ctx: QueryContext,
    fitnet: Classifier,
    halves: tuple[Tensor, Tensor],
    n_query: int,
    counts: Counts,
) -> HeldOut:
    """Let the candidates vote on the held-out half, once.

    Args:
        options: The search's pieces.
        candidates: Who votes.
        ctx: The query; ``ctx.labelled`` is there if the task model votes.
        fitnet: Trained on the first half, in any mode; it is not changed.
        halves: Rows of the labelled pool, see :func:`split_halves`.
        n_query: The query batch b.
        counts: Counts forward passes and fits.
    """
    train, valid = halves
    needs, features = candidates.needs, FEATURES[options.features]
    outputs = features.outputs(fitnet, ctx, valid, needs)
    counts.images["fitnet"] += len(valid) if features.whole else 0
    targets = ctx.labelled_targets[valid.to(ctx.labelled_targets.device)].to(ctx.device)
    losses = nn.functional.cross_entropy(outputs.logits.float(), targets, reduction="none")
    voting: Classifier = fitnet
    seen: PoolOutputs | None = None
    if options.vote_model == "task":
        known = ctx.known
        if needs.mc_samples and known.mc_logits is None:
            mc = ctx.net.mc_logits(ctx.labelled_embeddings, needs.mc_samples, ctx.stream_seed("mc"))
            known = replace(known, mc_logits=mc)
        voting, outputs, seen = ctx.net, known.take(valid), known.take(train)
    elif needs.labelled:
        seen = features.outputs(fitnet, ctx, train, needs)
        counts.images["fitnet"] += len(train) if features.whole else 0
    inner = replace(
        ctx.within("held_out"),
        unlabelled=outputs,
        labelled=seen,
        labelled_ids=ctx.labelled_ids[train],
        labelled_targets=ctx.labelled_targets[train.to(ctx.labelled_targets.device)],
        net=voting,
    )
    wanted = wanted_in_half(options, len(valid), n_query, len(ctx.unlabelled) + len(ctx.labelled_ids))
    votes = cast_votes(candidates, inner, wanted, options.grading, options.window)
    counts.kmeans_fits += fits_of(candidates.strategies)
    return HeldOut(ctx.labelled_ids[valid].cpu(), targets, votes, losses, wanted)
