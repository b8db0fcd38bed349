"""What the commands' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal.models.torchvision import TorchvisionBackbone


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file: random ones, with norms that spread the features."""
    torch.manual_seed(5)
    net = TorchvisionBackbone((3, 32, 32), "shufflenet_v2_x0_5").net.train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    net(torch.randn(32, 3, 32, 32))
    path = tmp_path_factory.mktemp("weights") / "w.pt"
    torch.save(net.state_dict(), path)
    return path
