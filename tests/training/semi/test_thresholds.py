"""The formulas of the methods against loops in NumPy, written from the papers."""

from __future__ import annotations

import doctest

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from autoal.training.semi import thresholds
from autoal.training.semi.flexmatch import FlexibleThreshold
from autoal.training.semi.freematch import SelfAdaptiveThreshold
from autoal.training.semi.softmatch import SoftWeight

N, C, STEPS, POOL = 30, 4, 6, 40
Array = npt.NDArray[np.float64]


def batches() -> list[tuple[Array, npt.NDArray[np.int64]]]:
    """Probabilities that get surer from step to step, and ids with repeats."""
    rng = np.random.default_rng(0)
    found = []
    for step in range(STEPS):
        logits = rng.normal(size=(N, C)) * (1 + step) + np.array([0.5, 0.0, 0.0, -1.0])
        probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        found.append((probs, rng.integers(0, POOL, N)))
    return found


def tensors(probs: Array, ids: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(probs), torch.from_numpy(ids), torch.arange(POOL)


def test_examples_run() -> None:
    assert doctest.testmod(thresholds).failed == 0


def test_fixmatch() -> None:
    for probs, _ in batches():
        kept = [1.0 if max(row) >= 0.8 else 0.0 for row in probs]
        assert thresholds.fixed(torch.from_numpy(probs), 0.8).tolist() == kept


def test_flexmatch() -> None:
    rule, last = FlexibleThreshold(0.8, C), [-1] * POOL
    seen = set()
    for probs, ids in batches():
        counts = [sum(v == c for v in last) for c in range(C)]
        unused = sum(v == -1 for v in last)
        expected = []
        for row in probs:
            beta = counts[int(row.argmax())] / max(*counts, unused)
            expected.append(1.0 if row.max() >= 0.8 * beta / (2 - beta) else 0.0)
        for row, i in zip(probs, ids, strict=True):
            if row.max() >= 0.8:
                last[i] = int(row.argmax())
        assert rule.weigh(*tensors(probs, ids)).tolist() == expected
        assert rule.last.tolist() == last
        seen |= set(expected)
    assert seen == {0.0, 1.0}


def test_freematch() -> None:
    rule = SelfAdaptiveThreshold(C, decay=0.6, fairness=0.5)
    level, share, histogram = 1 / C, np.full(C, 1 / C), np.full(C, 1 / C)
    rng = np.random.default_rng(1)
    seen = set()
    for probs, ids in batches():
        labels = probs.argmax(1)
        level = 0.6 * level + 0.4 * probs.max(1).mean()
        share = 0.6 * share + 0.4 * probs.mean(0)
        histogram = 0.6 * histogram + 0.4 * np.array([(labels == c).mean() for c in range(C)])
        tau = level * share / share.max()
        kept = probs.max(1) >= tau[labels]
        weights = rule.weigh(*tensors(probs, ids))
        assert weights.tolist() == kept.astype(float).tolist()
        assert rule.level.item() == pytest.approx(level, rel=1e-12)
        strong = rng.dirichlet(np.ones(C), N)
        mean = strong[kept].mean(0)
        hist = np.array([(strong[kept].argmax(1) == c).mean() for c in range(C)])
        wanted = (share / histogram) / (share / histogram).sum()
        ratio = np.array([m / h if h > 0 else 0.0 for m, h in zip(mean, hist, strict=True)])
        found = ratio / ratio.sum()
        term = rule.term(torch.from_numpy(strong), weights)
        assert term is not None
        assert float(term) == pytest.approx(0.5 * (wanted * np.log(found + 1e-12)).sum(), rel=1e-9)
        seen |= set(weights.tolist())
    assert seen == {0.0, 1.0}
    rule.reset()
    assert {float(b.max()) for b in rule.buffers()} == {1 / C}


def test_fairness_without_samples_has_no_gradient() -> None:
    strong = torch.rand(5, C, dtype=torch.float64, requires_grad=True)
    even = torch.full((C,), 1 / C, dtype=torch.float64)
    term = thresholds.fairness(strong.softmax(1), torch.zeros(5, dtype=torch.float64), even, even)
    term.backward()
    assert term.item() == 0
    assert strong.grad is not None
    assert torch.equal(strong.grad, torch.zeros_like(strong))


@pytest.mark.parametrize("align", [True, False])
def test_softmatch(align: bool) -> None:
    rule = SoftWeight(C, decay=0.6, n_sigma=2.0, align=align)
    mean, variance, share = 1 / C, 1.0, np.full(C, 1 / C)
    for raw, ids in batches():
        share = 0.6 * share + 0.4 * raw.mean(0)
        probs = raw
        if align:
            probs = raw * (1 / C) / share
            probs = probs / probs.sum(1, keepdims=True)
        top = probs.max(1)
        mean = 0.6 * mean + 0.4 * top.mean()
        variance = 0.6 * variance + 0.4 * top.var(ddof=1)
        expected = [1.0 if m > mean else np.exp(-((m - mean) ** 2) / (2 * variance / 4)) for m in top]
        assert rule.weigh(*tensors(raw, ids)).tolist() == pytest.approx(expected, rel=1e-12)
    rule.reset()
    assert float(rule.variance) == 1


def test_a_pool_that_grows_keeps_what_flexmatch_remembers() -> None:
    rule = FlexibleThreshold(0.8, C)
    probs, ids = batches()[-1]
    rule.weigh(*tensors(probs, ids))
    other = FlexibleThreshold(0.8, C)
    other.set_extra_state(rule.get_extra_state())
    other.weigh(torch.from_numpy(probs), torch.from_numpy(ids), torch.arange(POOL + 5))
    assert len(other.last) == POOL + 5
    assert torch.equal(other.last[:POOL], rule.last)
