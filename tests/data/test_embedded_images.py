"""Real images through real weights: the features hold what their publishers say they do."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from autoal.commands.main import main
from tests.data.conftest import REAL_DATA
from tests.experiments.features import real_features

WEIGHTS = REAL_DATA / "mobilenet_v2-imagenet-features-fp16.pt"
SIZES = {2_000: (1_000, 0.67), 10_000: (10_000, 0.73)}
"""Of so many labels: test images and least accuracy. Six random choices of 2,000 and 1,000 gave 0.702 to 0.738."""
LABELS = int(os.environ.get("AUTOAL_PROBE_LABELS", "2000"))


def some(folder: Path, into: Path, n: int, seed: int) -> np.ndarray:
    """Link some images of a folder of classes, and return their places in the order of class and file name."""
    files = sorted(folder.glob("*/*.jpg"))
    rows = np.sort(np.random.default_rng(seed).permutation(len(files))[:n])
    for row in rows:
        place = into / files[row].relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(files[row], place)
    return rows


def probe(x: np.ndarray, labels: np.ndarray, x_test: np.ndarray, test_labels: np.ndarray, scale: object) -> float:
    x, x_test = ((part.astype(np.float64) - x.mean(0, dtype=np.float64)) / scale for part in (x, x_test))
    return float(LogisticRegression(C=0.003, max_iter=500).fit(x, labels).score(x_test, test_labels))


@pytest.mark.slow
@pytest.mark.data
def test_a_linear_probe_on_imagenet_features_of_cifar(real_cifar_jpeg: Path, tmp_path: Path) -> None:
    if not WEIGHTS.exists():
        pytest.skip(f"the real weights are not beside the checkout: no {WEIGHTS}")
    n_test, least = SIZES[LABELS]
    rows = {
        part: some(real_cifar_jpeg / "cifar10-jpeg" / part, real_cifar_jpeg / "some" / part, n, seed=0)
        for part, n in (("train", LABELS), ("test", n_test))
    }
    model = ["backbone=torchvision", "backbone.model=mobilenet_v2", f"backbone.pretrained={WEIGHTS}"]
    options = ["--size", "112", "--root", str(real_cifar_jpeg), "--device", "cpu", "--out", str(tmp_path / "f")]
    assert main(["embed", "cifar10_jpeg", "path=some", "verify=false", *model, *options]) == 0
    own = {path.stem: np.load(path) for path in (tmp_path / "f").glob("*.npy")}
    assert own["train_features"].shape == (LABELS, 1280)
    labels = own["train_labels"], own["test_labels"]
    x, x_test = own["train_features"], own["test_features"]
    deviation = x.std(0, dtype=np.float64)
    score = probe(x, labels[0], x_test, labels[1], np.where(deviation > 1e-6, deviation, 1.0))
    print(f"linear probe of {LABELS} labels: {score:.4f}")
    assert score >= least
    # Somebody else's features of the same images by the same weights, 128 principal components as int8: the same
    # variance in all, so that the penalty is the same. What the other components held is missing.
    theirs = np.load(real_features("cifar10_jpeg-mobilenet_v2"))
    assert np.array_equal(theirs["train_labels"][rows["train"]], labels[0])
    x, x_test = theirs["train_features"][rows["train"]], theirs["test_features"][rows["test"]]
    given = probe(x, labels[0], x_test, labels[1], np.sqrt(x.var(0).sum() / 1280))
    print(f"the same of the published features: {given:.4f}")
    assert abs(score - given) <= 0.05
