"""Pools that hypothesis makes as nasty as they come, for the tests of one kernel family after the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

KINDS = ("plain", "repeated", "zeros", "lattice", "permuted", "one-hot", "tight")


def seconds(examples: int) -> settings:
    """So many examples, the same ones in every run."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@dataclass(frozen=True)
class Pool:
    """A pool, labelled samples (perhaps none) and a count.

    Attributes:
        x: ``(N, D)`` features, with copies, zero rows or equal distances.
        logits: ``(N, C)``, often with C > N, flat or saturated; equal rows of x have equal logits.
        known: ``(L, D)`` labelled samples, some of them copies of rows of the pool; L may be 0.
        known_logits: ``(L, C)``.
        targets: ``(L,)`` their classes.
        n: 1, N, or between.
        order: ``(N,)`` a permutation.
        seed: For generators.
    """

    x: torch.Tensor
    logits: torch.Tensor
    known: torch.Tensor
    known_logits: torch.Tensor
    targets: torch.Tensor
    n: int
    order: torch.Tensor
    seed: int

    @property
    def start(self) -> torch.Tensor | None:
        """The labelled samples, None for a cold start."""
        return self.known if len(self.known) else None

    def generator(self) -> torch.Generator:
        """A fresh one, always in the same state."""
        return torch.Generator().manual_seed(self.seed)


def _rows(kind: str, rows: int, dim: int, g: torch.Generator) -> torch.Tensor:
    x = torch.randn(rows, dim, generator=g, dtype=torch.float64)
    if kind == "repeated":
        x = x[: max(1, rows // 3)]
    elif kind == "zeros":
        x[torch.rand(rows, generator=g) < 0.4] = 0
    elif kind == "lattice":
        x = torch.randint(-1, 3, (rows, dim), generator=g).double()
    elif kind == "permuted":
        x = torch.stack([x[0][torch.randperm(dim, generator=g)] for _ in range(rows)])
    elif kind == "one-hot":
        x = torch.eye(max(rows, dim), dtype=torch.float64)[:rows, :dim]
    elif kind == "tight":
        x = 1 + 1e-2 * x
    return x


@st.composite
def pools(draw, rows=40, classes=60, labelled=8, cold=True, kinds=KINDS, dtypes=None):
    """Draw a :class:`Pool`.

    Args:
        draw: Given by hypothesis.
        rows: Largest N.
        classes: Largest C.
        labelled: Largest L.
        cold: Whether L may be 0.
        kinds: Which of :data:`KINDS`.
        dtypes: Types of features and logits; default float16, float32 and float64.
    """
    seed = draw(st.integers(0, 2**31))
    g = torch.Generator().manual_seed(seed)
    count, dim = draw(st.integers(1, rows)), draw(st.integers(1, 6))
    kind = draw(st.sampled_from(kinds))
    dtype = draw(st.sampled_from(dtypes or [torch.float16, torch.float32, torch.float64]))
    c = draw(st.sampled_from([c for c in (2, 3, 7, classes) if c <= classes]))
    base = _rows(kind, count, dim, g)
    logits = torch.randn(len(base), c, generator=g, dtype=torch.float64)
    logits *= draw(st.sampled_from([0.0, 1.0, 1.0, 30.0]))
    which = torch.randint(len(base), (count,), generator=g) if len(base) < count else torch.arange(count)
    which = which[torch.randperm(count, generator=g)]
    held = draw(st.integers(0 if cold else 1, labelled))
    known = torch.cat([base, torch.randn(labelled, dim, generator=g, dtype=torch.float64)])
    known = known[torch.randint(len(known), (held,), generator=g)]
    return Pool(
        base[which].to(dtype),
        logits[which].to(dtype),
        known.to(dtype),
        torch.randn(held, c, generator=g, dtype=torch.float64).to(dtype),
        torch.randint(c, (held,), generator=g),
        draw(st.sampled_from([1, max(1, count // 2), count])),
        torch.randperm(count, generator=g),
        seed % 1000,
    )
