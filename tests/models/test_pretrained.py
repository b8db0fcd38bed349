"""Pretrained weights: read from files in the publishers' formats, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from autoal.data.base import DatasetInfo
from autoal.errors import AutoALError
from autoal.models.base import Backbone
from autoal.models.build import ClassifierFactory
from autoal.models.densenet import DenseNet
from autoal.models.pretrained import adapt_input_weight
from autoal.models.resnet import ResNet
from autoal.models.timm import TimmBackbone
from autoal.models.vgg import VGG
from autoal.models.vit import ViT, resize_positions

URLS = {
    "resnet18": "resnet18-f37072fd.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "densenet121": "densenet121-a639ec97.pth",
}
BUILD: dict[str, Callable[..., Backbone]] = {
    "resnet18": lambda shape, **o: ResNet(shape, 18, **o),
    "vgg11_bn": lambda shape, **o: VGG(shape, 11, **o),
    "densenet121": lambda shape, **o: DenseNet(shape, 121, **o),
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of downloaded weights, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def published(name: str) -> nn.Module:
    """A torchvision network whose buffers and norms differ from an initialisation."""
    torch.manual_seed(1)
    if name == "vgg11_bn":
        # The real classifier of 4096 wide layers takes seconds to make and no part in this.
        net = nn.Module()
        net.features = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["A"], batch_norm=True)
        net.classifier = nn.Linear(3, 2)
    else:
        net = getattr(torchvision.models, name)(weights=None)
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.mul_(1.01)
    return net


def embedding_of(name: str, net: nn.Module, x: Tensor) -> Tensor:
    features: Any = net
    if name == "resnet18":
        features.fc = nn.Identity()
        out: Tensor = features(x)
        return out
    maps = features.features(x)
    return (torch.relu(maps) if name == "densenet121" else maps).mean((2, 3))


@pytest.mark.parametrize("name", list(URLS))
def test_imagenet_weights_are_torchvisions(name: str, hub: Path) -> None:
    net = published(name).eval()
    torch.save(net.state_dict(), hub / URLS[name])
    ours = BUILD[name]((3, 96, 96), pretrained="imagenet").eval()
    x = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        # VGG pools once more before its head; the average over equal windows does not see it for even sizes.
        expected = embedding_of(name, net, x)
        if name != "vgg11_bn":
            assert torch.allclose(ours(x), expected, atol=1e-4)
        assert torch.isfinite(ours(x)).all()
    if name == "vgg11_bn":
        theirs = [p for n, p in net.named_parameters() if n.startswith("features.")]
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs, strict=True))


def test_oldest_densenet_names_are_understood(hub: Path) -> None:
    import re

    state = published("densenet121").state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", k): v for k, v in state.items()}
    assert old.keys() != state.keys()
    torch.save(old, hub / URLS["densenet121"])
    ours = DenseNet((3, 96, 96), pretrained="imagenet")
    assert torch.equal(ours.stem[0].weight, state["features.conv0.weight"])


@pytest.mark.parametrize("name", list(URLS))
def test_grey_images_use_the_rgb_filters(name: str, hub: Path) -> None:
    torch.save(published(name).state_dict(), hub / URLS[name])
    grey = torch.rand(2, 1, 96, 96)
    with torch.no_grad():
        one = BUILD[name]((1, 96, 96), pretrained="imagenet").eval()(grey)
        three = BUILD[name]((3, 96, 96), pretrained="imagenet").eval()(grey.expand(-1, 3, -1, -1))
    assert torch.allclose(one, three, atol=1e-3)


def test_more_channels_than_three_keep_the_scale() -> None:
    weight = torch.rand(4, 3, 5, 5)
    wide = adapt_input_weight(weight, 6)
    x = torch.rand(1, 3, 5, 5)
    same = nn.functional.conv2d(x.repeat(1, 2, 1, 1), wide)
    assert torch.allclose(same, nn.functional.conv2d(x, weight), atol=1e-5)


def test_the_small_stem_keeps_its_own_convolution(hub: Path) -> None:
    state = published("resnet18").state_dict()
    torch.save(state, hub / URLS["resnet18"])
    net = ResNet((3, 32, 32), pretrained="imagenet")
    assert net.stem[0].weight.shape == (64, 3, 3, 3)
    assert torch.equal(net.layers[0][0].conv1.weight, state["layer1.0.conv1.weight"])


def test_every_network_of_a_recipe_gets_the_same_backbone(hub: Path) -> None:
    torch.save(published("resnet18").state_dict(), hub / URLS["resnet18"])
    config = {"_target_": "autoal.models.resnet.ResNet", "pretrained": "imagenet", "stem": "imagenet"}
    factory = ClassifierFactory(config, DatasetInfo("x", (3, 40, 40), 4))
    a, b = factory.build(1), factory.build(2, n_outputs=7)
    pairs = zip(a.backbone.state_dict().values(), b.backbone.state_dict().values(), strict=True)
    assert all(torch.equal(x, y) for x, y in pairs)
    assert b.head.out_features == 7


@pytest.mark.parametrize(
    ("build", "file"),
    [
        (lambda: ResNet((3, 32, 32), pretrained="imagenet"), "resnet18-f37072fd.pth"),
        (lambda: ViT((3, 32, 32), "small", pretrained="dino"), "dino_deitsmall16_pretrain.pth"),
        (lambda: ViT((3, 32, 32), "base", pretrained="dinov2"), "dinov2_vitb14_pretrain.pth"),
    ],
)
def test_without_network_the_file_and_its_place_are_named(build: Callable[[], Any], file: str, hub: Path) -> None:
    with pytest.raises(AutoALError) as caught:
        build()
    message = str(caught.value)
    assert f"put it at {hub / file}" in message
    assert "https://" in message
    assert "\n" not in message


def vit_state(scaled: bool, grid: int, patch: int) -> dict[str, Tensor]:
    """Weights named as DINO (and, scaled, DINOv2) publishes them."""
    torch.manual_seed(0)
    net = ViT((3, grid * patch, grid * patch), "small", patch_size=patch)
    state = {k: v + 0.01 * torch.randn_like(v) for k, v in net.state_dict().items()}
    if scaled:
        for i in range(12):
            state[f"blocks.{i}.ls1.gamma"] = torch.full((384,), 0.1)
            state[f"blocks.{i}.ls2.gamma"] = torch.full((384,), 0.1)
        state["mask_token"] = torch.zeros(1, 384)
    return state


def test_dino_and_dinov2_weights_load_with_positions_resized(hub: Path) -> None:
    dino = vit_state(scaled=False, grid=14, patch=16)
    torch.save(dino, hub / "dino_deitsmall16_pretrain.pth")
    net = ViT((3, 224, 224), "small", pretrained="dino")
    assert torch.equal(net.pos_embed, dino["pos_embed"])
    small = ViT((1, 28, 28), "small", pretrained="dino", image_size=64)
    assert small.pos_embed.shape[1] == 1 + 4 * 4
    assert torch.equal(small.blocks[3].attn.qkv.weight, dino["blocks.3.attn.qkv.weight"])
    dinov2 = vit_state(scaled=True, grid=5, patch=14)
    torch.save(dinov2, hub / "dinov2_vits14_pretrain.pth")
    net = ViT((3, 70, 70), "small", pretrained="dinov2")
    assert float(net.blocks[0].ls1.gamma.detach().mean()) == pytest.approx(0.1)


def test_the_vit_equals_timms_on_the_same_weights() -> None:
    timm = pytest.importorskip("timm", reason="timm is an extra")
    ours = ViT((3, 32, 32), "tiny", patch_size=16).eval()
    theirs = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=0).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x), atol=1e-4)


def test_resized_positions_keep_the_class_token_and_a_constant() -> None:
    positions = torch.cat([torch.full((1, 1, 2), 5.0), torch.full((1, 9, 2), 3.0)], dim=1)
    resized = resize_positions(positions, (4, 2))
    assert resized.shape == (1, 9, 2)
    assert float(resized[0, 0, 0]) == 5.0
    assert torch.allclose(resized[:, 1:], torch.full((1, 8, 2), 3.0), atol=1e-5)


def test_a_path_takes_checkpoints_with_a_wrapper(tmp_path: Path) -> None:
    state = published("resnet18").state_dict()
    torch.save({"model": state, "epoch": 3}, tmp_path / "w.pth")
    net = ResNet((3, 96, 96), pretrained=str(tmp_path / "w.pth"))
    assert torch.equal(net.stem[0].weight, state["conv1.weight"])


class Hostile:
    def __reduce__(self) -> Any:
        return print, ("owned",)


def test_files_that_are_no_weights_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    cases = [
        (Hostile(), "is not a readable weights file"),
        ([1, 2], "holds no state dict"),
        ({"x": torch.ones(2)}, "the network has no 'x'"),
        ({"conv1.weight": torch.ones(64, 3, 7, 7)}, "the weights hold no 'bn1.weight'"),
        (torchvision.models.resnet34(weights=None).state_dict(), "the network has no 'layer1.2.conv1.weight'"),
        ({**published("resnet18").state_dict(), "bn1.weight": torch.ones(3)}, r"'bn1.weight' has shape \(3,\)"),
    ]
    for content, message in cases:
        torch.save(content, path)
        with pytest.raises(AutoALError, match=message) as caught:
            ResNet((3, 96, 96), pretrained=str(path))
        assert "\n" not in str(caught.value)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AutoALError, match="is not a readable weights file"):
        ResNet((3, 96, 96), pretrained=str(path))
    with pytest.raises(AutoALError, match="no weights at"):
        ResNet((3, 96, 96), pretrained=str(tmp_path / "absent.pth"))
    with pytest.raises(
        AutoALError, match=r"unknown backbone.pretrained for resnet18 'imagnet'. Did you mean 'imagenet'"
    ):
        ResNet((3, 96, 96), pretrained="imagnet")


def test_timm_weights_from_a_file_and_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm", reason="timm is an extra")
    net = timm.create_model("resnet10t", num_classes=5)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    ours = TimmBackbone((3, 32, 32), "resnet10t", pretrained=str(tmp_path / "w.pth"))
    assert torch.equal(ours.net.conv1[0].weight, net.conv1[0].weight)
    with pytest.raises(AutoALError, match="has no fitting"):
        TimmBackbone((3, 32, 32), "resnet18", pretrained=str(tmp_path / "w.pth"))

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("timm.models._builder.load_pretrained", unreachable)
    with pytest.raises(AutoALError, match=r"can't be fetched from here .*set backbone.pretrained to the file"):
        TimmBackbone((3, 32, 32), "resnet10t", pretrained=True)
