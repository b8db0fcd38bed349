"""EPIG against the definition: mean mutual information with the targets' labels."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from autoal.errors import AutoALError
from autoal.kernels import bald, epig


def passes(rows, classes, samples=6, seed=0, scale=2.0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(samples, rows, classes, generator=g, dtype=torch.float64) * scale


def explicit(mc, targets):
    """H(y) + H(y*) - H(y, y*), averaged over targets."""
    p, q = softmax(mc.numpy(), axis=2), softmax(targets.numpy(), axis=2)

    def h(x, axis):
        return -(x * np.log(x)).sum(axis)

    joint = np.einsum("tnc,tmd->nmcd", p, q) / len(p)
    return (h(p.mean(0), 1)[:, None] + h(q.mean(0), 1)[None] - h(joint, (2, 3))).mean(1)


@pytest.mark.parametrize("classes", [2, 5])
def test_values_are_those_of_the_definition(classes):
    mc, targets = passes(30, classes), passes(17, classes, seed=1)
    np.testing.assert_allclose(epig(mc, targets), explicit(mc, targets), rtol=1e-9)
    np.testing.assert_allclose(epig(mc), explicit(mc, mc), rtol=1e-9)
    np.testing.assert_allclose(epig(mc.float(), targets.float()), explicit(mc, targets), rtol=1e-3, atol=1e-6)


def test_what_says_nothing_about_the_targets_is_worth_nothing():
    # Sample 0 disagrees about weights that the targets do not depend on: BALD wants it, EPIG does not.
    mc = passes(2, 3, samples=4, scale=0.0)
    mc[:2, 0, 0] = mc[2:, 0, 1] = 9.0
    mc[::2, 1, 0] = mc[1::2, 1, 1] = 1.0
    target = mc[:, 1:]
    assert bald(mc)[0] > bald(mc)[1]
    value = epig(mc, target)
    assert value[1] > value[0]
    assert float(value[0]) == pytest.approx(0.0, abs=1e-12)


def test_more_classes_than_are_kept_apart():
    # The classes beyond the kept ones carry next to nothing: the coarse value is the whole one.
    mc = passes(12, 30, seed=2)
    mc[:, :, 5:] -= 30
    np.testing.assert_allclose(epig(mc, top_classes=5), explicit(mc, mc), rtol=1e-6)
    # Merging never adds information, and with all classes kept nothing is merged.
    rough, whole = epig(passes(12, 30, seed=3), top_classes=3), epig(passes(12, 30, seed=3), top_classes=29)
    assert (rough <= whole + 1e-12).all()
    np.testing.assert_allclose(whole, explicit(passes(12, 30, seed=3), passes(12, 30, seed=3)), rtol=1e-9)


def test_saturated_and_equal_passes():
    mc = passes(6, 4, scale=1e4)
    assert torch.isfinite(epig(mc)).all()
    assert (epig(passes(6, 4, scale=0.0)) == 0).all()


def test_errors():
    mc = passes(5, 3)
    with pytest.raises(AutoALError, match=r"target_mc_logits has shape \(6, 4, 2\)"):
        epig(mc, passes(4, 2))
    with pytest.raises(AutoALError, match="top_classes=0"):
        epig(mc, top_classes=0)
    with pytest.raises(AutoALError, match="at least 2"):
        epig(mc[:1])
    mc[0, 3, 1] = float("nan")
    with pytest.raises(AutoALError, match="nan"):
        epig(mc)
