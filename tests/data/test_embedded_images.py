"""Real images through real weights: the features hold what their publishers say they do."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from autoal.commands.main import main
from tests.data.conftest import REAL_DATA

WEIGHTS = REAL_DATA / "mobilenet_v2-imagenet-features-fp16.pt"
LEAST = 0.67
"""Of 2,000 labels and 1,000 test images; six random choices of both gave 0.702 to 0.738."""


def some(folder: Path, into: Path, n: int, seed: int) -> None:
    files = sorted(folder.glob("*/*.jpg"))
    for row in np.random.default_rng(seed).permutation(len(files))[:n]:
        place = into / files[row].relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(files[row], place)


@pytest.mark.slow
@pytest.mark.data
def test_a_linear_probe_on_imagenet_features_of_cifar(real_cifar_jpeg: Path, tmp_path: Path) -> None:
    if not WEIGHTS.exists():
        pytest.skip(f"the real weights are not beside the checkout: no {WEIGHTS}")
    for part, n in (("train", 2000), ("test", 1000)):
        some(real_cifar_jpeg / "cifar10-jpeg" / part, real_cifar_jpeg / "some" / part, n, seed=0)
    model = ["backbone=torchvision", "backbone.model=mobilenet_v2", f"backbone.pretrained={WEIGHTS}"]
    options = ["--size", "112", "--root", str(real_cifar_jpeg), "--device", "cpu", "--out", str(tmp_path / "f")]
    assert main(["embed", "cifar10_jpeg", "path=some", "verify=false", *model, *options]) == 0
    arrays = {path.stem: np.load(path) for path in (tmp_path / "f").glob("*.npy")}
    assert arrays["train_features"].shape == (2000, 1280)
    scale = StandardScaler().fit(arrays["train_features"].astype(np.float64))
    x, x_test = (scale.transform(arrays[f"{part}_features"].astype(np.float64)) for part in ("train", "test"))
    probe = LogisticRegression(C=0.003, max_iter=300).fit(x, arrays["train_labels"])
    assert probe.score(x_test, arrays["test_labels"]) >= LEAST
