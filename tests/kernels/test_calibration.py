"""Temperature and bandwidth from labelled samples."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from sklearn.linear_model import LogisticRegression

from autoal.errors import AutoALError
from autoal.kernels import crossfit_temperature, fit_temperature, labelled_bandwidth

from .coverage_oracles import unit
from .test_herding import clusters


def test_temperature_of_logits_that_are_too_large():
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(20000, 4, generator=g, dtype=torch.float64)
    targets = torch.multinomial(torch.softmax(logits, 1), 1, generator=g).squeeze(1)
    assert fit_temperature(logits, targets) == pytest.approx(1, abs=0.11)
    assert fit_temperature(5 * logits, targets) == pytest.approx(5, abs=0.3)


def test_crossfit_against_scikit_learn():
    x = clusters(120, 5, groups=3, spread=1.0)
    y = (x[:, :3] + torch.randn(120, 3, generator=torch.Generator().manual_seed(1))).argmax(1)
    got = crossfit_temperature(x, y, 3, torch.Generator().manual_seed(0))
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    z = x[order] - x.mean(0)
    z = (z / z.square().sum(1).mean().sqrt()).numpy()
    t, logits = y[order].numpy(), np.zeros((120, 3))
    for k in range(5):
        own = np.arange(120) % 5 == k
        head = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(z[~own], t[~own])
        logits[own] = head.decision_function(z[own])
    assert got == fit_temperature(torch.tensor(logits), torch.tensor(t))


def test_too_few_labels_say_nothing():
    x = clusters(11, 3)
    assert crossfit_temperature(x, torch.arange(11) % 6, 6, torch.Generator()) == 1.0
    with pytest.raises(AutoALError, match="folds=1"):
        crossfit_temperature(x, torch.arange(11) % 2, 2, torch.Generator(), folds=1)


@pytest.mark.parametrize(("rule", "share"), [("minimum", 0.0), ("quantile", 0.05), ("median", 0.5)])
def test_bandwidth_rules(rule, share):
    x = clusters(81, 4, dtype=torch.float32)
    nearest = np.sort((squareform(pdist(unit(x))) + 9 * np.eye(81)).min(1))
    assert labelled_bandwidth(x, rule) == pytest.approx(nearest[int(share * 80)])


def test_a_copy_among_the_labelled_samples_is_no_distance():
    # The defect of published code: a minimum of 0 silently became 1.
    x = clusters(30, 4, dtype=torch.float32)
    assert labelled_bandwidth(torch.cat([x, x[:7]])) == pytest.approx(labelled_bandwidth(x))
    assert labelled_bandwidth(x[:1]) == labelled_bandwidth(None) == labelled_bandwidth(x[[0, 0]]) == 1.0
    with pytest.raises(AutoALError, match="bandwidth rule 'mean'"):
        labelled_bandwidth(x, "mean")
