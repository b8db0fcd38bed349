"""Weights of the candidates on the pool, and what they say in numbers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.kernels.checks import Progress
from autoal.search.halves import Counts
from autoal.search.loop import Source
from autoal.search.networks import Fetch, SearchNet
from autoal.search.options import SearchOptions
from autoal.training.inference import evaluating

_CHUNK = 1024
_COLLAPSED = 0.95
log = logging.getLogger(__name__)


def pool_logits(
    source: Source,
    fetch: Fetch,
    ids: Tensor,
    rows: Tensor,
    n_candidates: int,
    world: World,
    counts: Counts,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Run a weight source over rows of the pool, sharded, and put the rest at 0.

    Args:
        source: SearchNet or the global vector; not changed.
        fetch: Inputs of pool samples.
        ids: Ids of the pool ``(N,)``.
        rows: Rows to run on ``(R,)``: others are not nominated.
        n_candidates: K.
        world: All processes.
        counts: Counts forward passes.
        progress: Told (rows done, rows) of this rank.

    Returns:
        Logits ``(N, K)``, and predicted losses ``(N,)`` (the lowest number where not run) or None.
    """
    if not isinstance(source, SearchNet):
        return source.logits.detach().expand(len(ids), -1), None
    mine = world.shard(ids[rows.cpu()])
    parts: list[Tensor] = []
    with evaluating(source):
        for chunk in mine.split(_CHUNK):
            out = source(fetch(chunk))
            predicted = out.logits[:, :0] if out.predicted is None else out.predicted[:, None]
            parts.append(torch.cat([out.logits, predicted], dim=1))
            if progress is not None:
                progress(sum(map(len, parts)), len(mine))
    width = n_candidates + (source.loss_prediction is not None)
    device = source.head.weight.device
    own = torch.cat(parts) if len(mine) else torch.zeros((0, width), device=device, dtype=source.head.weight.dtype)
    found = world.gather_rows(own, len(rows))
    counts.images["searchnet"] += len(rows)
    logits = torch.zeros((len(ids), n_candidates), device=device, dtype=found.dtype)
    logits[rows] = found[:, :n_candidates]
    if source.loss_prediction is None:
        return logits, None
    predicted = torch.full((len(ids),), torch.finfo(found.dtype).min, device=device, dtype=found.dtype)
    predicted[rows] = found[:, n_candidates]
    return logits, predicted


def weight_columns(names: Sequence[str], weights: Tensor, votes: Tensor, picked: Tensor) -> dict[str, float]:
    """Summarise the weights of a query.

    Args:
        names: The K candidates.
        weights: ``(N, K)`` distributions.
        votes: ``(N, K)``.
        picked: Chosen rows ``(n,)``.

    Returns:
        ``weight_<c>``: mean weight over nominated samples; ``vote_share_<c>``: the candidate's part of the
        weighted votes for the chosen samples; ``entropy_of_weights``: of the mean weights, in nats.
    """
    nominated = votes.any(1)
    mean = weights[nominated if bool(nominated.any()) else slice(None)].double().mean(0)
    mass = (weights[picked] * votes[picked]).double().sum(0)
    share = mass / mass.sum().clamp(min=1e-12)
    entropy = -(mean * mean.clamp(min=1e-12).log()).sum()
    columns = {f"weight_{name}": float(value) for name, value in zip(names, mean, strict=True)}
    columns |= {f"vote_share_{name}": float(value) for name, value in zip(names, share, strict=True)}
    return columns | {"entropy_of_weights": float(entropy)}


def warn_of_collapse(options: SearchOptions, names: Sequence[str], columns: dict[str, float]) -> None:
    """Log a warning with its likely cause if one candidate has all the learnt weight."""
    weights = [columns[f"weight_{name}"] for name in names]
    top = max(range(len(names)), key=weights.__getitem__)
    if len(names) == 1 or weights[top] < max(_COLLAPSED, options.prior_of(names)[top]):
        return
    if options.budget_penalty > 0:
        cause = "the budget penalty is cheapest to satisfy with one candidate; lower strategy.budget_penalty"
    elif options.anchor == 0:
        cause = "nothing holds the weights at the prior; set strategy.anchor above 0"
    else:
        cause = "the held-out losses favour it by far, or the anchor is too weak; raise strategy.anchor"
    log.warning(
        "AutoAL's weights have collapsed: %.0f%% on %s. Likely cause: %s.", 100 * weights[top], names[top], cause
    )
