"""The weights that the SimCLR example saves are those of a backbone; lightly itself is not needed for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import nn

from autoal.data.base import DatasetInfo
from autoal.models.build import ClassifierFactory


def test_its_weights_are_a_backbones(root: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("simclr", root / "docs" / "examples" / "simclr_pretraining.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    encoder = example.Encoder(nn.Linear(512, 128))
    assert encoder(torch.zeros(2, 3, 32, 32)).shape == (2, 128)
    torch.save(example.weights(encoder), tmp_path / "simclr.pt")
    config = {"_target_": "autoal.models.torchvision.TorchvisionBackbone", "name": "torchvision"}
    config |= {"model": "resnet18", "pretrained": str(tmp_path / "simclr.pt"), "dropout": 0.0}
    net = ClassifierFactory(config, DatasetInfo("photos", (3, 32, 32), 4)).build(seed=0)
    encoder.eval(), net.eval()
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(net.embed(x), encoder.backbone(x), atol=1e-5)
