"""Compiled networks: the names and the results of plain ones, on each kind of processor that shares a cache."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from autoal.data.base import DatasetInfo
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier
from tests.checkout import environment

# A small network: the compiler's time grows with the number of layers.
LENET = {"_target_": "autoal.models.lenet.LeNet", "name": "lenet", "dropout": 0.0}
INFO = DatasetInfo("pictures", (1, 12, 12), 7)


def rounding(net: Classifier, exact: Tensor) -> float:
    r"""By how much float32 logits may differ from exact ones, whatever the order of their sums.

    Every addition rounds by a part u (half of ``eps``) of the sum so far. The signs of terms and roundings are as
    good as random, so a sum of n terms is off by about :math:`\sqrt{n}\, u` of its size, and ReLU and pooling
    amplify nothing. The layers' errors are added, and four standard deviations of that are far from any chance.
    """
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    roots: float = sum(math.sqrt(layer.weight[0].numel()) for layer in layers)
    return 4 * roots * torch.finfo(torch.float32).eps / 2 * float(exact.abs().max())


def check() -> None:
    plain = ClassifierFactory(LENET, INFO).build(1).eval()
    compiled = ClassifierFactory({**LENET, "compile": True}, INFO).build(1).eval()
    assert list(plain.state_dict()) == list(compiled.state_dict())
    x = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = copy.deepcopy(plain).double()(x.double()).logits
        limit = rounding(plain, exact)
        assert limit < 0.001 * (exact[0] - exact[1]).abs().max(), "far below what tells two images apart"
        for net in (plain, compiled):
            assert (net(x).logits - exact).abs().max() <= limit
    assert torch.equal(copy.deepcopy(compiled).head.weight, compiled.head.weight)


@pytest.mark.slow
def test_compiling_changes_neither_names_nor_results(root: Path, tmp_path: Path) -> None:
    """As on this processor first, then as on one without vectors, out of one cache."""
    code = "from tests.models.test_compiling import check; check()"
    capabilities: tuple[dict[str, str], ...] = ({}, {"ATEN_CPU_CAPABILITY": "default"})
    for capability in capabilities:
        env = environment(PYTHONPATH=f"{root / 'src'}:{root}", TORCHINDUCTOR_CACHE_DIR=str(tmp_path))
        env.pop("ATEN_CPU_CAPABILITY", None)
        done = subprocess.run(
            [sys.executable, "-c", code], env=env | capability, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
