"""REFINE against the plain rule with sets, its control, and what its last step sees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy
from autoal.strategies.refine import CANDIDATES, Refine
from autoal.strategies.uherding import UHerding
from autoal.testing.tiny import tiny_context, tiny_task
from tests.strategies.wishes import Wish, replace_candidates

WISHES = [torch.rand(60, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in range(3)]


class Watching(Wish):
    """Notes what it is asked about."""

    def __init__(self, name: str, wish: Tensor) -> None:
        super().__init__(name, wish)
        self.seen: list[set[int]] = []

    def select(self, ctx: QueryContext, n: int) -> Picks:
        self.seen.append(set(ctx.unlabelled.ids.tolist()))
        return super().select(ctx, n)


def watched(**options: object) -> tuple[Refine, list[Watching], Watching]:
    strategy = Refine(**options)  # type: ignore[arg-type]
    candidates = [Watching(f"arm{k}", wish) for k, wish in enumerate(WISHES[:2])]
    replace_candidates(strategy, candidates)
    strategy.final = Watching("final", WISHES[2])
    return strategy, candidates, strategy.final


def best(wish: Tensor, ids: set[int], n: int) -> list[int]:
    return sorted(ids, key=lambda i: -float(wish[i]))[:n]


def test_each_pass_leaves_the_union_of_what_was_nominated_from_its_parts() -> None:
    strategy, candidates, final = watched(batches=6, passes=3, first=20, share=0.5)
    ctx = tiny_context(tiny_task(), strategy)
    selection = strategy.query(ctx, 4)
    pool = set(ctx.unlabelled.ids.tolist())
    for number in range(3):
        size = max(4, 20 if number == 0 else int(0.5 * len(pool)))
        union: set[int] = set()
        for candidate in candidates:
            parts = candidate.seen[3 * number : 3 * number + 3]  # 6 batches of 2 candidates
            assert all(len(part) == size and part <= pool for part in parts)
            union |= {i for part in parts for i in best(candidate.wish, part, 4)}
        pool = union
    assert [len(candidate.seen) for candidate in candidates] == [9, 9]
    assert final.seen == [pool]
    assert selection.ids.tolist() == best(WISHES[2], pool, 4)
    assert selection.log == {"refine_candidates": 48.0, "refine_left": float(len(pool))}


def test_the_union_is_cut_and_the_pool_is_capped() -> None:
    strategy, candidates, final = watched(batches=20, passes=1, first=20, union=9, candidates_cap=25)
    strategy.query(tiny_context(tiny_task(), strategy), 4)
    assert len(set().union(*(part for candidate in candidates for part in candidate.seen))) <= 25
    assert [len(seen) for seen in final.seen] == [9]


def test_a_cap_below_the_batch_is_the_batch() -> None:
    strategy, _, final = watched(passes=0, candidates_cap=2)
    assert len(strategy.query(tiny_context(tiny_task(), strategy), 5).ids) == 5
    assert len(final.seen[0]) == 5


def test_without_passes_it_is_the_last_step_on_a_capped_pool() -> None:
    """The control: uncertainty herding with so many candidates, all of its targets among them."""
    strategy = Refine(passes=0, candidates_cap=30)
    ctx = tiny_context(tiny_task(), strategy)
    selection = strategy.query(ctx, 6)
    assert selection.log["refine_candidates"] == 30.0
    order = torch.randperm(48, generator=ctx.generator("cap"))[:30].sort().values
    alone = UHerding().select(ctx.part(order).within("final"), 6)
    assert selection.ids.tolist() == ctx.unlabelled.ids[order[alone.index]].tolist()
    whole = UHerding().query(ctx.within("final"), 6)
    assert Refine(passes=0).query(ctx, 6).ids.tolist() == whole.ids.tolist()


def test_temperature_and_bandwidth_are_found_once_per_round() -> None:
    ctx = tiny_context(tiny_task(), UHerding())
    once = UHerding().prepared(ctx)
    assert isinstance(once.temperature, float)
    assert isinstance(once.bandwidth, float)
    assert once.query(ctx, 8).ids.tolist() == UHerding().query(ctx, 8).ids.tolist()
    quiet: QueryStrategy = Wish("plain", WISHES[0])
    assert quiet.prepared(ctx) is quiet


def test_published_constants() -> None:
    strategy = Refine()
    assert [candidate.name for candidate in strategy.candidates] == list(CANDIDATES)
    assert (strategy.passes, strategy.batches, strategy.first) == (5, 100, 5000)
    assert (strategy.share, strategy.union, strategy.candidates_cap) == (0.4, 10_000, None)
    assert strategy.final.name == "uherding"


def test_refuses_a_ceiling() -> None:
    with pytest.raises(AutoALError, match=r"strategy\.final='boss' is a ceiling"):
        Refine(final="boss")
    with pytest.raises(AutoALError, match=r"candidates\[1\]='boss' is a ceiling"):
        Refine(candidates=["margin", "boss"])
