"""BAIT against greedy algorithms that write every matrix out."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from autoal.errors import AutoALError
from autoal.kernels.bait import bait


def pool(rows, classes, dim, seed=0, labelled=8, scale=1.5):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows + labelled, classes, generator=g, dtype=torch.float64) * scale
    z = torch.randn(rows + labelled, dim, generator=g, dtype=torch.float64)
    return z[labelled:], logits[labelled:], z[:labelled], logits[:labelled]


def expectation(z, logits, form):
    """V of each sample as a list of explicit gradients, (N, r, P)."""
    p = softmax(np.asarray(logits, dtype=np.float64), axis=1)
    z = np.asarray(z, dtype=np.float64)
    if form == "binary":
        # The two gradients of the loss "is the predicted class right?", each with its probability.
        top = p.max(1)
        factors = np.stack([np.sqrt(top) * (1 - top), np.sqrt(1 - top) * -top], 1)[:, :, None]
    else:
        kept = np.argsort(-p, axis=1)[:, : 2 if form == "top2" else None]
        share = np.take_along_axis(p, kept, 1)
        share /= share.sum(1, keepdims=True)
        factors = np.sqrt(share)[:, :, None] * (np.eye(p.shape[1])[kept] - p[:, None, :])
    return np.einsum("nrc,nd->nrcd", factors, z).reshape(len(z), factors.shape[1], -1)


def explicit(z, logits, n, known=None, form="binary", lam=1.0):
    """The paper's algorithm with every matrix written out; returns picks and gains."""
    v = expectation(z, logits, form)
    own = np.einsum("nrp,nrq->pq", v, v)
    extra, count = np.zeros_like(own), 0
    if known is not None:
        count = len(known[0])
        w = expectation(*known, form)
        extra = np.einsum("nrp,nrq->pq", w, w)
    target = (own + extra) / (len(z) + count)
    m = lam * np.eye(len(own)) + extra / (count + n)
    v = v * np.sqrt(n / (count + n))
    chosen, gains = [], []
    for _ in range(min(2 * n, len(z))):
        inverse = np.linalg.inv(m)
        g = v @ inverse @ v.transpose(0, 2, 1)
        h = v @ inverse @ target @ inverse @ v.transpose(0, 2, 1)
        gain = np.trace(np.linalg.solve(np.eye(g.shape[1]) + g, h), axis1=1, axis2=2)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        gains.append(gain.max())
        m = m + v[chosen[-1]].T @ v[chosen[-1]]
    kept = list(chosen)
    while len(kept) > n:
        loss = [np.trace(np.linalg.inv(m - v[i].T @ v[i]) @ target) for i in kept]
        gone = kept.pop(int(np.argmin(loss)))
        m = m - v[gone].T @ v[gone]
    return kept, [gains[chosen.index(i)] for i in kept], np.trace(np.linalg.inv(m) @ target)


@pytest.mark.parametrize("form", ["binary", "top2", "full"])
@pytest.mark.parametrize("known", [True, False])
def test_picks_are_those_of_the_explicit_algorithm(form, known):
    for seed in range(3):
        z, logits, *labelled = pool(60, 4, 5, seed)
        side = labelled if known else [None, None]
        picks = bait(z, logits, 7, *side, form=form, lam=0.3)
        want, gains, criterion = explicit(z, logits, 7, labelled if known else None, form, 0.3)
        assert picks.index.tolist() == want
        np.testing.assert_allclose(picks.score, gains, rtol=1e-8)
        assert picks.log["criterion"] == pytest.approx(criterion, rel=1e-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_narrow_type_costs_no_pick(dtype):
    # 300 rows around five centres: many gains within float32 rounding of each other.
    g = torch.Generator().manual_seed(3)
    centres = torch.randn(5, 24, generator=g)
    z = (centres[torch.arange(300) % 5] + 0.01 * torch.randn(300, 24, generator=g)).to(dtype)
    logits = torch.randn(300, 4, generator=g).to(dtype)
    picks = bait(z, logits, 40)
    assert picks.index.tolist() == explicit(z, logits, 40)[0]
    assert 40 <= picks.log["checked"] <= 300


def test_refreshing_changes_no_pick():
    z, logits, *labelled = pool(80, 3, 6, 1)
    want = bait(z, logits, 20, *labelled).index
    assert torch.equal(bait(z, logits, 20, *labelled, refresh=3).index, want)
    assert torch.equal(bait(z.float(), logits, 20, *labelled, refresh=1).index, want)


def test_with_two_classes_binary_is_the_exact_fisher():
    # Two logits see each step twice, so the prior of the full form is twice that of the single logit.
    z, logits, *labelled = pool(50, 2, 4)
    binary = bait(z, logits, 8, *labelled, lam=0.7)
    full = bait(z, logits, 8, *labelled, form="full", lam=1.4)
    assert binary.index.tolist() == full.index.tolist()
    assert bait(z, logits, 8, *labelled, form="top2", lam=1.4).index.tolist() == full.index.tolist()


def test_with_nothing_known_and_equal_predictions_it_is_a_design_on_the_features():
    z = torch.tensor([[3.0, 0.0], [2.9, 0.0], [2.8, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert set(bait(z, torch.zeros(4, 5), 2, lam=0.01).index.tolist()) == {0, 3}


def test_gains_are_no_upper_bounds_of_later_gains():
    # What forbids lazy evaluation: here adding one sample makes another one more wanted.
    v = np.array([[1.0, 0.0], [0.6, 0.8]])
    target = np.array([[1.0, -0.75], [-0.75, 0.6]])

    def gain(m, x):
        inverse = np.linalg.inv(m)
        return x @ inverse @ target @ inverse @ x / (1 + x @ inverse @ x)

    m = np.eye(2) * 0.5
    assert gain(m + np.outer(v[0], v[0]), v[1]) > gain(m, v[1])


def test_sure_predictions_come_last_and_ties_go_to_the_unsure_then_the_first():
    z = torch.zeros(6, 3)  # no feature, no information: all gains are 0
    logits = torch.tensor([[9.0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [50, 0]])
    assert bait(z, logits, 3).index.tolist() == [2, 4, 1]
    sure = torch.tensor([[1e4, 0.0], [1e4, 0.0], [0.5, 0.0]])  # p = 1 exactly
    assert bait(torch.randn(3, 2), sure, 1).index.tolist() == [2]


def test_repeated_rows_are_decided_by_row():
    z, logits, *labelled = pool(20, 3, 4, 2)
    once = bait(z, logits, 6, *labelled).index
    order = torch.arange(20).repeat(3)
    thrice = bait(z[order], logits[order], 6, *labelled)
    assert len(set(thrice.index.tolist())) == 6
    for row in thrice.index.tolist():  # of equal rows always the first that is left
        assert all(r in thrice.index.tolist() for r in range(row % 20, row, 20))
    assert int(once[0]) == int(thrice.index[0])


def test_a_permuted_pool_gives_the_same_samples():
    z, logits, *labelled = pool(90, 5, 6, 4)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    for form in ("binary", "top2"):
        want = bait(z.float(), logits.float(), 11, *labelled, form=form).index
        got = order[bait(z[order].float(), logits[order].float(), 11, *labelled, form=form).index]
        assert got.tolist() == want.tolist()


@pytest.mark.parametrize("scale", [1e-10, 1e6, 1e13])
def test_any_scale_of_the_features(scale):
    z, logits, *_ = pool(30, 3, 4, labelled=0)
    for form in ("binary", "top2"):
        picks = bait((z * scale).float(), logits, 9, form=form)
        assert len(set(picks.index.tolist())) == 9
        assert torch.isfinite(picks.score).all()


def test_whole_pool():
    z, logits, *labelled = pool(12, 3, 4)
    for form in ("binary", "top2", "full"):
        assert sorted(bait(z, logits, 12, *labelled, form=form).index.tolist()) == list(range(12))


def test_errors():
    z, logits, *labelled = pool(10, 3, 4)
    with pytest.raises(AutoALError, match=r"form='bce' is none of binary, top2, full"):
        bait(z, logits, 2, form="bce")
    with pytest.raises(AutoALError, match=r"C D = 1000 x 5 = 5000 columns, more than 4096: use form='binary'"):
        bait(torch.randn(3, 5), torch.randn(3, 1000), 1, form="full")
    with pytest.raises(AutoALError, match="lam=0"):
        bait(z, logits, 2, lam=0.0)
    with pytest.raises(AutoALError, match="without labelled_logits"):
        bait(z, logits, 2, labelled[0])
    with pytest.raises(AutoALError, match=r"labelled_logits has shape \(8, 2\)"):
        bait(z, logits, 2, labelled[0], labelled[1][:, :2])
