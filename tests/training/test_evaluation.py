from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import MulticlassCalibrationError

from autoal.data.pool import Pool
from autoal.training.evaluation import BINS, calibration_error, calibration_sums, macro_auroc


@pytest.mark.parametrize(("classes", "scale"), [(2, 1.0), (10, 3.0), (100, 8.0)])
def test_calibration_error_is_that_of_torchmetrics(classes: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits = scale * torch.randn((500, classes), generator=generator, dtype=torch.float64)
    targets = torch.randint(classes, (500,), generator=generator)
    targets[:200] = logits[:200].argmax(1)
    peer = MulticlassCalibrationError(classes, n_bins=BINS, norm="l1")(logits.softmax(1), targets)
    whole = calibration_sums(logits, targets)
    assert calibration_error(whole) == pytest.approx(float(peer), abs=1e-6)
    parts = sum(calibration_sums(logits[part], targets[part]) for part in torch.arange(500).split(130))
    assert isinstance(parts, torch.Tensor)
    assert calibration_error(parts) == pytest.approx(calibration_error(whole), abs=1e-12)


def test_areas_under_curves_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((300, 5), generator=generator)
    targets = torch.randint(4, (300,), generator=generator)  # nobody is of the last class, so it has no curve
    logits[range(300), targets] += 1.0
    shares = logits.double().softmax(1).numpy()
    own = [roc_auc_score((targets == k).numpy(), shares[:, k]) for k in range(4)]
    assert macro_auroc(logits, targets) == pytest.approx(sum(own) / 4, abs=1e-6)
    assert math.isnan(macro_auroc(logits, torch.zeros(300, dtype=torch.int64)))


def test_certain_predictions_fall_into_the_last_bin() -> None:
    logits = torch.tensor([[1e4, 0.0], [1e4, 0.0], [0.0, 1e4], [0.0, 1e4]])
    sums = calibration_sums(logits, torch.tensor([0, 0, 1, 0]))
    assert sums[:, -1].tolist() == [4, 4, 3]
    assert calibration_error(sums) == 0.25


def test_class_balance_is_the_entropy_of_the_bought_classes() -> None:
    pool = Pool(20)
    pool.add(torch.arange(8), torch.tensor([0, 0, 0, 0, 0, 0, 1, 2]))
    shares = [6 / 8, 1 / 8, 1 / 8]
    entropy = -sum(p * math.log(p) for p in shares)
    assert pool.class_balance(3) == pytest.approx(entropy / math.log(3))
    assert pool.class_balance(10) == pytest.approx(entropy / math.log(10))
    pool.add(torch.arange(8, 12), torch.tensor([1, 1, 1, 1]), validation=True)
    assert pool.class_balance(3) == pytest.approx(entropy / math.log(3))
    assert Pool(3).class_balance(3) == 0.0
    assert Pool(3).class_balance(1) == 1.0
