"""BAIT on nasty pools: copies, zero rows, flat and saturated logits, more classes than samples, every type."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal.kernels import bait

from .pools import pools, seconds

EQUAL = 1e-9


def expectation(z, logits, form):
    """V of each sample, (N, r, P), as explicit gradients times the root of their probabilities."""
    p = torch.softmax(logits.double(), 1).numpy()
    order = np.argsort(-p, axis=1, kind="stable")
    if form == "binary":
        # Is the predicted class right? One gradient for yes, one for no; 1 - p is summed, so that it is not 0.
        ordered = np.take_along_axis(p, order, 1)
        top, rest = ordered[:, 0], ordered[:, 1:].sum(1)
        factors = np.stack([np.sqrt(top) * rest, -np.sqrt(rest) * top], 1)[:, :, None]
    else:
        kept = order[:, : 2 if form == "top2" else p.shape[1]]
        share = np.take_along_axis(p, kept, 1)
        share = share / share.sum(1, keepdims=True)
        factors = np.sqrt(share)[:, :, None] * (np.eye(p.shape[1])[kept] - p[:, None, :])
    flat = factors.shape[2] * z.shape[1]
    return np.einsum("nrc,nd->nrcd", factors, z.double().numpy()).reshape(len(z), factors.shape[1], flat)


def doubt(logits):
    """One minus the margin, with what the largest probability leaves summed from the others."""
    p = torch.softmax(logits.double(), 1).sort(1).values
    return (p[:, :-1].sum(1) + p[:, -2]).numpy()


def first(value, unsure, rows, best=True):
    """Of equal values the most unsure, then the lowest row; what is removed is what that prefers least."""
    tied = [r for r in rows if value[r] >= max(value[rows]) - EQUAL * abs(max(value[rows]))]
    sure = [r for r in tied if abs(unsure[r] - (max if best else min)(unsure[tied])) <= EQUAL]
    return (min if best else max)(sure)


def change(v, m, target, sign):
    """How much tr(M^-1 F) falls when a sample is added (1), or rises when it is removed (-1)."""
    inverse = np.linalg.inv(m)
    g, h = v @ inverse @ v.transpose(0, 2, 1), v @ inverse @ target @ inverse @ v.transpose(0, 2, 1)
    return np.trace(np.linalg.solve(np.eye(g.shape[1]) + sign * g, h), axis1=1, axis2=2)


def plain(pool, form, lam):
    """Forward and backward with every matrix written out, in float64."""
    v, w = expectation(pool.x, pool.logits, form), expectation(pool.known, pool.known_logits, form)
    own, extra = np.einsum("nrp,nrq->pq", v, v), np.einsum("nrp,nrq->pq", w, w)
    n, held = pool.n, len(pool.known)
    target = (own + extra) / (len(v) + held)
    v = v * np.sqrt(n / (held + n))
    m = lam * np.eye(len(own)) + extra / (held + n)
    unsure, picks, left = doubt(pool.logits), [], list(range(len(v)))
    while len(picks) < min(2 * n, len(v)):
        picks.append(first(change(v, m, target, 1), unsure, left))
        left.remove(picks[-1])
        m = m + v[picks[-1]].T @ v[picks[-1]]
    while len(picks) > n:
        gone = first(-change(v, m, target, -1), unsure, picks, best=False)
        picks.remove(gone)
        m = m - v[gone].T @ v[gone]
    return picks


@pytest.mark.parametrize(
    ("form", "rows", "classes", "examples"), [("binary", 20, 60, 20), ("top2", 10, 7, 12), ("full", 10, 7, 12)]
)
def test_picks_are_those_of_the_explicit_algorithm(form, rows, classes, examples):
    @seconds(examples)
    @given(pools(rows=rows, classes=classes), st.sampled_from([0.1, 1.0]))
    def check(pool, lam):
        side = (pool.known, pool.known_logits) if len(pool.known) else (None, None)
        picks = bait(pool.x, pool.logits, pool.n, *side, form=form, lam=lam)
        assert picks.index.tolist() == plain(pool, form, lam)

    check()


@seconds(12)
@given(pools(rows=25), st.sampled_from([256, 4096]), st.integers(1, 9))
def test_blocks_and_refreshing_change_nothing(pool, block, refresh):
    with pytest.MonkeyPatch.context() as patch:
        want = bait(pool.x, pool.logits, pool.n).index
        patch.setattr("autoal.kernels.checks._BLOCK_BYTES", block)
        assert torch.equal(bait(pool.x, pool.logits, pool.n, refresh=refresh).index, want)
