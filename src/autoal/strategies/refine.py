"""REFINE: candidates filter the pool by batches from random parts of it; herding takes the last step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor

from autoal.config.values import Count, Range, Whole
from autoal.kernels.checks import Progress
from autoal.kernels.types import Picks
from autoal.query.candidates import CandidateStrategy, build_candidate
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo, silent_phase
from autoal.query.registry import register
from autoal.training.inference import Needs

CANDIDATES = ("random", "margin", "badge", "bait", "typiclust", "alfamix", "dropquery", "maxherding", "uherding")


@register("refine")
class Refine(CandidateStrategy):
    r"""Progressive filtering by an ensemble, then coverage of what is left.

    In each pass every candidate is asked :math:`\lfloor m / K \rfloor` times, each time about another random part
    of the pool, for a batch of n; the union of all batches is the next pass's pool. Parts of the first pass hold
    ``first`` samples, those of later ones a share of what is left. The batch is what ``final`` picks of the last
    pool, which is all that it sees: for uncertainty herding, samples that were filtered out need no covering.
    Nothing is learnt.

    Args:
        candidates: The K strategies that filter: names, or mappings of ``name`` and options.
        final: The strategy that picks from what is left.
        passes: Number of passes; with 0 there is only ``final``.
        batches: m, batches per pass over all candidates; at least one each.
        first: Size of the parts in the first pass.
        share: Size of the parts in later passes, as a fraction of the pool that is left; at least n.
        union: Largest pool that a pass leaves; more are cut at random.
        candidates_cap: Look at so many random samples of the unlabelled pool instead of all of it, from the start.
            With ``passes=0`` that is the control for strategies that were measured on a capped pool. None: all.
    """

    info = StrategyInfo(
        "search",
        "nine strategies filter random parts of the pool, uncertainty herding picks from the rest",
        "Huseljic, Herde, Rauch, Hahn, Sick: Cleaning the Pool: Progressive Filtering of Unlabeled Pools in Deep "
        "Active Learning",
        "CVPR 2026",
    )

    order = "ranked"

    def __init__(
        self,
        candidates: Sequence[str | Mapping[str, Any]] = CANDIDATES,
        final: str | Mapping[str, Any] = "uherding",
        passes: Whole = 5,
        batches: Count = 100,
        first: Count = 5000,
        share: Annotated[float, Range(0, 1, "(]")] = 0.4,
        union: Count = 10_000,
        candidates_cap: Count | None = None,
    ) -> None:
        super().__init__(candidates)
        self.final = build_candidate(final, "strategy.final")
        self.passes = passes
        self.batches = batches
        self.first = first
        self.share = share
        self.union = union
        self.candidates_cap = candidates_cap

    @property
    def needs(self) -> Needs:
        """What the candidates and the last step need."""
        return super().needs | self.final.needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Filter, then pick."""
        rows = torch.arange(len(ctx.unlabelled))
        if self.candidates_cap is not None and max(n, self.candidates_cap) < len(rows):
            rows = _draw(rows, max(n, self.candidates_cap), ctx.generator("cap"))
        seen = len(rows)
        with ctx.phase("filter") as progress:
            rows = self._filter(ctx, rows, n, progress)
        picks = self.final.select(ctx.part(rows).within("final"), n)
        log = {"refine_candidates": float(seen), "refine_left": float(len(rows))}
        return Picks(rows[picks.index.cpu()], picks.score, {**picks.log, **log})

    def _filter(self, ctx: QueryContext, rows: Tensor, n: int, progress: Progress) -> Tensor:
        """Return the rows that all passes leave, ascending."""
        if not self.passes:
            return rows
        quiet = replace(ctx, phase=silent_phase)
        candidates = [candidate.prepared(quiet.within("arm", k)) for k, candidate in enumerate(self.candidates)]
        for number in range(self.passes):
            size = self.first if number == 0 else int(self.share * len(rows))
            rows = self._one_pass(quiet.within("pass", number), candidates, rows, max(n, size), n)
            progress(number + 1, self.passes)
        return rows

    def _one_pass(
        self, ctx: QueryContext, candidates: Sequence[QueryStrategy], rows: Tensor, size: int, n: int
    ) -> Tensor:
        """Return the union of all batches of one pass, ascending and cut to its largest size.

        Args:
            ctx: The pass's context, with the whole pool.
            candidates: The candidates.
            rows: The pass's pool.
            size: Of each random part.
            n: Size of a batch.
        """
        wanted = torch.zeros(len(ctx.unlabelled), dtype=torch.bool)
        for k, candidate in enumerate(candidates):
            for repetition in range(max(1, self.batches // len(candidates))):
                own = ctx.within(k, repetition)
                part = _draw(rows, size, own.generator("part"))
                wanted[part[candidate.select(own.part(part), n).index.cpu()]] = True
        union = wanted.nonzero().squeeze(1)
        return _draw(union, max(n, self.union), ctx.generator("union"))

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the candidates and of the last step."""
        return {**super().state_dict(), "final": self.final.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        super().load_state_dict(state)
        self.final.load_state_dict(state["final"])


def _draw(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return ``size`` of the rows, drawn without replacement and put back in order; all if there are no more."""
    if size >= len(rows):
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:size].sort().values]
