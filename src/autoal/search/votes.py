"""What the candidates nominate: votes in [0, 1], one column per candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from autoal.kernels.checks import Progress
from autoal.query.candidates import build_candidate
from autoal.query.contract import QueryContext, QueryStrategy, ScoreStrategy, silent_phase
from autoal.search.options import SearchOptions
from autoal.training.inference import Needs


@dataclass
class Candidates:
    """The K candidates of a search.

    Attributes:
        names: Unique names, used in columns of ``rounds.csv``.
        strategies: The strategies themselves.
    """

    names: list[str]
    strategies: list[QueryStrategy]

    @classmethod
    def of(cls, options: SearchOptions) -> Candidates:
        """Build the candidates of a config; a name that comes twice gets a number."""
        built = [
            build_candidate(spec, f"strategy.candidates[{i}]") for i, spec in enumerate(options.candidate_specs())
        ]
        names: list[str] = []
        for strategy in built:
            same = sum(s.name == strategy.name for s in built[: len(names)])
            names.append(strategy.name if same == 0 else f"{strategy.name}_{same + 1}")
        return cls(names, built)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def needs(self) -> Needs:
        """What satisfies all of them."""
        needs = Needs()
        for strategy in self.strategies:
            needs = needs | strategy.needs
        return needs


def rank_votes(score: Tensor, width: int) -> Tensor:
    """Grade samples linearly by the rank of their score: ``max(0, 1 - rank / width)``.

    Equal scores share their mean rank, so that votes depend on neither order nor ids, and a candidate that
    finds the whole pool alike nominates nothing within a narrow window.

    Args:
        score: ``(N,)``, higher = more wanted.
        width: Rank from which the vote is 0.

    Returns:
        ``(N,)`` float32 in [0, 1].
    """
    _, group, counts = torch.unique(-score, return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    mean_rank = (last - counts).double() + (counts.double() - 1) / 2
    votes: Tensor = (1 - mean_rank[group] / width).clamp(min=0).float()
    return votes


def cast_votes(
    candidates: Candidates,
    ctx: QueryContext,
    q: int,
    grading: str,
    window: float,
    progress: Progress | None = None,
) -> Tensor:
    """Let each candidate vote on ``ctx.unlabelled`` in a stream of its own.

    Args:
        candidates: The K candidates.
        ctx: The samples, as a strategy sees them.
        q: Query size of the candidates.
        grading: ``"binary"`` or ``"linear"``, see :class:`~autoal.search.options.SearchOptions`; or ``"rank"``,
            linear over the whole pool.
        window: Width of linear grading in multiples of q.
        progress: Told (candidates done, K).

    Returns:
        Votes ``(N, K)`` float32 on the context's device. A strategy that chooses sets votes 0 or 1; under linear
        grading one whose picks have an order (:attr:`~autoal.query.contract.QueryStrategy.order`) votes less for
        later picks, as a score of their rank would.
    """
    n, q = len(ctx.unlabelled), max(1, min(q, len(ctx.unlabelled)))
    votes = torch.zeros((n, len(candidates)), device=ctx.device)
    quiet = replace(ctx, phase=silent_phase)
    for column, (name, strategy) in enumerate(zip(candidates.names, candidates.strategies, strict=True)):
        own = quiet.within("candidate", name)
        width = n if grading == "rank" else max(1, min(n, round(window * q)))
        if grading != "binary" and isinstance(strategy, ScoreStrategy):
            votes[:, column] = rank_votes(strategy.score(own), width).to(ctx.device)
        elif grading == "linear" and strategy.order != "none":
            asked = max(q, width) if strategy.order == "nested" else q
            picks = strategy.select(own, asked).index.to(ctx.device)
            place = torch.arange(len(picks), device=ctx.device)
            votes[picks, column] = (1 - place / width).clamp(min=0)
        else:
            votes[strategy.select(own, q).index.to(ctx.device), column] = 1.0
        if progress is not None:
            progress(column + 1, len(candidates))
    return votes


def fits_of(candidates: Sequence[QueryStrategy]) -> int:
    """Count the candidates that cluster, each of which fits k-means once per set of samples."""
    return sum(strategy.name == "kmeans" for strategy in candidates)
