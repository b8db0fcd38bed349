"""Backbones: sizes, channels, stems, freezing, seeds and layouts."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from autoal.data.base import DatasetInfo
from autoal.errors import AutoALError
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier
from autoal.models.cnn import SmallCNN
from autoal.models.densenet import DenseNet
from autoal.models.lenet import LeNet
from autoal.models.mlp import MLP, Linear
from autoal.models.resnet import ResNet
from autoal.models.timm import TimmBackbone
from autoal.models.vgg import VGG
from autoal.models.vit import ViT
from autoal.models.wide_resnet import WideResNet

CONVOLUTIONAL: list[tuple[type, dict[str, Any]]] = [
    (SmallCNN, {}),
    (LeNet, {}),
    (ResNet, {"depth": 18, "stem": "cifar"}),
    (ResNet, {"depth": 18, "stem": "imagenet"}),
    (WideResNet, {"depth": 10, "widen": 1}),
    (VGG, {"depth": 11}),
    (DenseNet, {"stem": "cifar"}),
    (DenseNet, {"stem": "imagenet"}),
    (ViT, {"size": "tiny"}),
]
IDS = [f"{c.__name__}-{'-'.join(map(str, o.values()))}" for c, o in CONVOLUTIONAL]


@pytest.mark.parametrize(("kind", "options"), CONVOLUTIONAL, ids=IDS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 28, 28), (3, 33, 20), (3, 65, 65)])
def test_any_size_from_8_and_any_channels(kind: type, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    backbone = kind(shape, **options).eval()
    with torch.no_grad():
        embedding, stages = backbone.stages(torch.rand(2, *shape))
    assert embedding.shape == (2, backbone.embedding_dim)
    assert tuple(s.shape[:2] for s in stages) == tuple((2, d) for d in backbone.stage_dims)
    assert torch.isfinite(embedding).all()
    # The two samples differ, so the embedding is not a constant.
    assert not torch.equal(embedding[0], embedding[1])


@pytest.mark.parametrize(("kind", "options"), CONVOLUTIONAL, ids=IDS)
def test_images_below_8_pixels_are_refused(kind: type, options: dict[str, Any]) -> None:
    with pytest.raises(AutoALError, match="takes images from 8x8, the dataset's are 7x9"):
        kind((1, 7, 9), **options)


def test_resnet_with_the_imagenet_stem_is_torchvisions() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(weights=None)
    ours = ResNet((3, 64, 64), 18, stem="imagenet")
    parts = [theirs.conv1, theirs.bn1, theirs.relu, theirs.maxpool]
    ours.stem.load_state_dict(nn.Sequential(*parts).state_dict())
    for i, layer in enumerate((theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4)):
        ours.layers[i].load_state_dict(layer.state_dict())
    theirs.fc = nn.Identity()
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-5)


def test_stem_auto_follows_the_image_size_and_maxpool_is_free() -> None:
    def first(size: int, **options: Any) -> tuple[tuple[int, ...], int]:
        net = ResNet((3, size, size), 18, **options).eval()
        return tuple(net.stem[0].kernel_size), net.stages(torch.rand(1, 3, size, size))[1][0].shape[2]

    assert first(32) == ((3, 3), 32)
    assert first(32, maxpool=True) == ((3, 3), 16)
    assert first(32, stem="imagenet") == ((7, 7), 8)
    assert first(96) == ((7, 7), 24)
    with pytest.raises(AutoALError, match=r"unknown backbone.stem 'cifr'. Did you mean 'cifar'"):
        ResNet((3, 32, 32), stem="cifr")


def test_parameter_counts_are_the_published_ones() -> None:
    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    # Convolutions and norms of the networks without their heads.
    assert count(ResNet((3, 224, 224), 18)) == 11_176_512
    assert count(ResNet((3, 224, 224), 50)) == 23_508_032
    assert count(DenseNet((3, 224, 224))) == 6_953_856
    assert count(ViT((3, 224, 224), "tiny")) == 5_524_416
    assert count(ViT((3, 224, 224), "small")) == 21_665_664
    # WRN-28-2 and its 10-class head: the 1.5 million of the semi-supervised literature.
    assert count(WideResNet((3, 32, 32), 28, 2)) + 128 * 10 + 10 == 1_467_610


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ResNet((3, 32, 32), 20), "depth=20 is not a ResNet"),
        (lambda: VGG((3, 32, 32), 12), "depth=12 is not a VGG"),
        (lambda: DenseNet((3, 32, 32), 100), "depth=100 is not a DenseNet"),
        (lambda: WideResNet((3, 32, 32), 27), r"depth=27 is not 6n \+ 4"),
        (lambda: ViT((3, 32, 32), "huge"), "unknown backbone.size 'huge'"),
        (lambda: ViT((3, 32, 32), last_blocks=13), r"last_blocks=13 is not in 1..12"),
        (lambda: MLP((4,), []), "use backbone=linear"),
        (lambda: TimmBackbone((3, 32, 32), "resnt18"), "unknown timm model 'resnt18'. Did you mean 'resnet18'"),
    ],
)
def test_options_that_make_no_sense_are_one_line(build: Any, message: str) -> None:
    with pytest.raises(AutoALError, match=message):
        build()


def test_linear_is_the_input_and_mlp_has_the_stated_widths() -> None:
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(Linear((1, 4, 4))(x), x.flatten(1))
    net = MLP((1, 4, 4), [7, 5])
    assert [s.shape[1] for s in net.stages(x)[1]] == [7, 5]
    assert net.embedding_dim == 5


def test_vit_concatenates_the_class_tokens_of_the_last_blocks() -> None:
    torch.manual_seed(0)
    net = ViT((3, 16, 16), "tiny", last_blocks=3).eval()
    with torch.no_grad():
        whole = net(torch.rand(2, 3, 16, 16))
    assert whole.shape == (2, 3 * 192)
    assert net.embedding_dim == 3 * 192


def test_vit_resizes_and_takes_sizes_that_the_patch_does_not_divide() -> None:
    net = ViT((1, 28, 20), "tiny", patch_size=8).eval()
    assert net.pos_embed.shape[1] == 1 + 4 * 3
    resized = ViT((1, 28, 28), "tiny", patch_size=16, image_size=64).eval()
    with torch.no_grad():
        assert resized.stages(torch.rand(1, 1, 28, 28))[1][0].shape[2:] == (4, 4)


def test_timm_gives_what_its_classifier_would_see() -> None:
    timm = pytest.importorskip("timm", reason="timm is an extra")
    torch.manual_seed(0)
    ours = TimmBackbone((1, 32, 32), "resnet10t").eval()
    theirs = timm.create_model("resnet10t", num_classes=0, in_chans=1).eval()
    theirs.load_state_dict(ours.net.state_dict())
    x = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        embedding, stages = ours.stages(x)
        assert torch.allclose(embedding, theirs(x), atol=1e-5)
    assert tuple(s.shape[1] for s in stages) == ours.stage_dims


INFO = DatasetInfo("x", (1, 12, 12), 3)


def build(seed: int = 1, **options: Any) -> Classifier:
    config = {"_target_": "autoal.models.resnet.ResNet", "name": "r", "depth": 18, "dropout": 0.0}
    return ClassifierFactory(config | options, INFO).build(seed)


def step(net: Classifier) -> dict[str, Tensor]:
    """One training step; returns which tensors of the state changed."""
    before = copy.deepcopy(net.state_dict())
    net.train()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    net(torch.rand(6, 1, 12, 12)).logits.square().sum().backward()
    optimizer.step()
    return {k: v for k, v in net.state_dict().items() if not torch.equal(v, before[k])}


@pytest.mark.parametrize(
    ("spec", "still"),
    [
        ("none", []),
        ("stem", ["stem"]),
        ("last_2", ["stem", "layers.0", "layers.1"]),
        ("last_0", ["stem", "layers.0", "layers.1", "layers.2", "layers.3"]),
        ("all", ["stem", "layers.0", "layers.1", "layers.2", "layers.3"]),
    ],
)
def test_frozen_parts_keep_weights_and_running_statistics(spec: str, still: list[str]) -> None:
    net = build(freeze=spec)
    changed = step(net)
    parts = ["stem", "layers.0", "layers.1", "layers.2", "layers.3"]
    for part in parts:
        touched = [k for k in changed if k.startswith(f"backbone.{part}.")]
        assert bool(touched) == (part not in still), part
    assert "head.weight" in changed
    net.eval()
    net.train()
    assert [p.training for p in net.backbone.parts()] == [p not in still for p in parts]


@pytest.mark.parametrize("spec", ["some", "last_6", "last_x"])
def test_wrong_freeze_is_refused(spec: str) -> None:
    with pytest.raises(AutoALError, match=f"freeze={spec}"):
        build(freeze=spec)


def test_vit_freezes_tokens_and_positions_with_the_stem() -> None:
    net = ViT((1, 12, 12), "tiny")
    net.freeze("stem")
    frozen = [n for n, p in net.named_parameters() if not p.requires_grad]
    assert sorted(frozen) == ["cls_token", "patch_embed.proj.bias", "patch_embed.proj.weight", "pos_embed"]
    net.freeze("none")
    net.freeze("all")
    assert not any(p.requires_grad for p in net.parameters())


def test_initial_weights_follow_the_seed_alone() -> None:
    state = torch.get_rng_state()
    a, b, other = build(5), build(5), build(6)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert not torch.equal(a.head.weight, other.head.weight)


def test_channels_last_changes_the_layout_and_not_the_result() -> None:
    plain, laid = build(), build(channels_last=True)
    assert laid.backbone.parts()[0][0].weight.is_contiguous(memory_format=torch.channels_last)
    x = torch.rand(2, 1, 12, 12)
    with torch.no_grad():
        assert torch.allclose(plain.eval()(x).logits, laid.eval()(x).logits, atol=1e-5)


def test_a_dataset_that_is_not_loaded_yet_is_an_error() -> None:
    with pytest.raises(AutoALError, match="load it before building networks"):
        ClassifierFactory({"_target_": "autoal.models.mlp.MLP"}, DatasetInfo("mine", (), 0)).build(1)
