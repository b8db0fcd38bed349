"""Any torchvision classifier as a backbone: its embedding is what its last layer sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from autoal.errors import AutoALError
from autoal.models.torchvision import TorchvisionBackbone

SMALL = ["mobilenet_v2", "resnet18", "shufflenet_v2_x0_5", "mnasnet0_5", "squeezenet1_1", "mobilenet_v3_small"]
LARGE = ["densenet121", "efficientnet_b0", "convnext_tiny", "regnet_y_400mf", "swin_t", "googlenet", "vgg11_bn"]


def theirs(model: str) -> nn.Module:
    """A whole model with norms that differ from an initialisation, in eval mode."""
    torch.manual_seed(3)
    options = {"init_weights": False, "transform_input": True} if model == "googlenet" else {}
    net = torchvision.models.get_model(model, weights=None, **options)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def seen_by_last_layer(net: nn.Module, x: Tensor) -> Tensor:
    """The oracle: the input of the last linear layer, caught while the whole model runs."""
    caught: list[Tensor] = []
    last = [m for n, m in net.named_modules() if isinstance(m, nn.Linear) and "aux" not in n][-1]
    last.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].detach()))
    with torch.no_grad():
        net(x)
    return caught[0]


def check(model: str, tmp_path: Path, size: int) -> None:
    net = theirs(model)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    backbone = TorchvisionBackbone((3, size, size), model, pretrained=str(tmp_path / "w.pt")).eval()
    embedding, stages = backbone.stages(x)
    # SqueezeNet's last layer is a convolution; its features are averaged over space.
    pooled = model == "squeezenet1_1"
    expected = net.features(x).mean(dim=(2, 3)) if pooled else seen_by_last_layer(net, x)
    assert torch.allclose(embedding, expected, atol=1e-5)
    assert embedding.shape == (2, backbone.embedding_dim)
    assert [s.shape[1] for s in stages] == list(backbone.stage_dims)
    assert len(backbone.parts()) > 1


@pytest.mark.parametrize("model", SMALL)
def test_embedding_is_what_the_last_layer_sees(model: str, tmp_path: Path) -> None:
    check(model, tmp_path, 64)


@pytest.mark.slow
@pytest.mark.parametrize("model", LARGE)
def test_embedding_of_a_large_model(model: str, tmp_path: Path) -> None:
    check(model, tmp_path, 64)


def test_googlenets_weights_expect_its_scale_of_inputs(tmp_path: Path) -> None:
    net = torchvision.models.googlenet(weights=None, init_weights=False)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    backbone = TorchvisionBackbone((3, 64, 64), "googlenet", str(tmp_path / "w.pt"), {"init_weights": False})
    assert backbone.net.transform_input is True


def renamed(state: dict[str, Tensor], form: str) -> dict[str, Tensor]:
    features = {k: v for k, v in state.items() if k.startswith("features.")}
    forms: dict[str, Any] = {
        "whole": state,
        "no classifier": features,
        "no prefix": {k.removeprefix("features."): v for k, v in features.items()},
        "data parallel": {f"module.{k}": v for k, v in state.items()},
        "float16": {k: v.half() if v.is_floating_point() else v for k, v in features.items()},
        "no counters": {k: v for k, v in features.items() if not k.endswith("num_batches_tracked")},
    }
    found: dict[str, Tensor] = forms[form]
    return found


@pytest.mark.parametrize(
    "form", ["whole", "no classifier", "no prefix", "data parallel", "float16", "no counters"]
)
def test_forms_of_a_weights_file(form: str, tmp_path: Path) -> None:
    net = theirs("mobilenet_v2")
    torch.save(renamed(net.state_dict(), form), tmp_path / "w.pt")
    backbone = TorchvisionBackbone((3, 32, 32), "mobilenet_v2", str(tmp_path / "w.pt")).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = net.features(x).mean(dim=(2, 3))
    assert torch.allclose(backbone(x), expected, atol=1e-5 if form != "float16" else 5e-2)
    assert next(backbone.parameters()).dtype == torch.float32


def test_grey_images_give_what_their_colour_copies_do(tmp_path: Path) -> None:
    torch.save(theirs("mobilenet_v2").state_dict(), tmp_path / "w.pt")
    grey = TorchvisionBackbone((1, 32, 32), "mobilenet_v2", str(tmp_path / "w.pt")).eval()
    colour = TorchvisionBackbone((3, 32, 32), "mobilenet_v2", str(tmp_path / "w.pt")).eval()
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(grey(x), colour(x.expand(2, 3, 32, 32)), atol=1e-4)


def test_refusals_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        AutoALError, match=r"unknown torchvision model 'mobilnet_v2'\. Did you mean 'mobilenet_v2'"
    ):
        TorchvisionBackbone((3, 32, 32), "mobilnet_v2")
    torch.save(theirs("resnet18").state_dict(), tmp_path / "other.pt")
    with pytest.raises(AutoALError, match="belong to another network"):
        TorchvisionBackbone((3, 32, 32), "mobilenet_v2", str(tmp_path / "other.pt"))
    with pytest.raises(AutoALError, match="no weights at"):
        TorchvisionBackbone((3, 32, 32), "mobilenet_v2", str(tmp_path / "absent.pt"))
    with pytest.raises(AutoALError, match="can't take 3x32x32 images"):
        TorchvisionBackbone((3, 32, 32), "vit_b_32")
    with pytest.raises(AutoALError, match="torchvision can't build mobilenet_v2"):
        TorchvisionBackbone((3, 32, 32), "mobilenet_v2", options={"depth": 3})
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(AutoALError, match=r"needs mobilenet_v2-7ebf99e0\.pth.*put it at"):
        TorchvisionBackbone((3, 32, 32), "mobilenet_v2", pretrained=True)
    with pytest.raises(AutoALError, match=r"unknown backbone\.pretrained .*Did you mean 'IMAGENET1K_V1'"):
        TorchvisionBackbone((3, 32, 32), "mobilenet_v2", pretrained="IMAGENET1K_V11")
