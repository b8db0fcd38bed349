"""Gaps, cuts and unlabelled rows of a line, against a look at every place."""

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal.kernels.lines import Line

from .pools import seconds


@st.composite
def walks(draw):
    """A line of up to 20 rows, some labelled, and rows whose labels are learnt one after the other."""
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    rows = draw(st.integers(1, 20))
    labels = torch.randint(2, (rows,), generator=g)
    labels[torch.rand(rows, generator=g) < draw(st.sampled_from([0.1, 0.5, 0.95]))] = -1
    free = (labels < 0).nonzero().squeeze(1)
    told = free[torch.randperm(len(free), generator=g)].tolist()
    return torch.randperm(rows, generator=g), labels, [(row, draw(st.integers(0, 1))) for row in told]


@seconds(25)
@given(walks())
def test_is_what_a_look_at_every_place_finds(walk):
    order, labels, told = walk
    line, known = Line(order, 1, labels), labels.tolist()
    for row, label in [(None, None), *told]:
        if row is not None:
            line.learn(row, label)
            known[row] = label
        along = [known[r] for r in order.tolist()]
        held = [p for p, y in enumerate(along) if y >= 0]
        free = [p for p, y in enumerate(along) if y < 0]
        pairs = [(a, b) for a, b in pairwise(held) if along[a] != along[b]]
        gaps, cuts = [(a, b) for a, b in pairs if b - a > 1], [a for a, b in pairs if b - a == 1]
        assert line.shortest_gap() == min(gaps, key=lambda g: (g[1] - g[0], g[0]), default=None)
        near = [(min(c - p if p < c else p - c - 1 for c in cuts), p) for p in free] if cuts else []
        assert line.nearest_to_a_cut() == (min(near)[::-1] if near else None)
        assert line.n_free == len(free)
        rows = sorted(order[p].item() for p in free)
        assert [line.free_row(k) for k in range(len(rows))] == rows
