"""Images are prepared as the publishers of the weights prepare them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor

from autoal.errors import AutoALError
from autoal.models.base import Backbone
from autoal.models.preprocessing import Preprocessing, from_timm, from_torchvision
from autoal.models.timm import TimmBackbone
from autoal.models.torchvision import TorchvisionBackbone

GREY_VALUE = 1 / 255 / 0.224
"""One grey value in the units of the network's input: Pillow rounds after each of its two passes."""


def photo(height: int, width: int, channels: int = 3) -> Tensor:
    """A smooth image with an edge, uint8 ``(C, H, W)``."""
    y, x = torch.meshgrid(torch.linspace(0, 6, height), torch.linspace(0, 9, width), indexing="ij")
    waves = torch.stack([torch.sin(x + y * (c + 1)) for c in range(channels)]) * 90 + 128
    waves[:, height // 3 :, width // 2 :] += 30
    return waves.round().to(torch.uint8)


def by_pillow(pipeline: object, image: Tensor) -> Tensor:
    out = pipeline(Image.fromarray(image.permute(1, 2, 0).numpy()))  # type: ignore[operator]
    assert isinstance(out, Tensor)
    return out


@pytest.mark.parametrize("shape", [(32, 32), (300, 400), (401, 260), (256, 256)])
@pytest.mark.parametrize("name", ["ResNet18_Weights", "MobileNet_V2_Weights", "ViT_B_16_Weights"])
def test_torchvisions_transform(name: str, shape: tuple[int, int]) -> None:
    image = photo(*shape)
    for weights in list(getattr(torchvision.models, name))[:2]:
        ours = from_torchvision(weights)(image[None])[0]
        theirs = by_pillow(weights.transforms(), image)
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 2.5 * GREY_VALUE


@pytest.mark.parametrize("shape", [(32, 32), (150, 233), (260, 180)])
@pytest.mark.parametrize("model", ["resnet10t", "vit_small_patch14_dinov2.lvd142m", "mobilenetv3_small_100"])
def test_timms_transform(model: str, shape: tuple[int, int]) -> None:
    timm_data = pytest.importorskip("timm.data", reason="timm is an extra")
    timm = pytest.importorskip("timm")
    config = timm_data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(model).to_dict())
    image = photo(*shape)
    theirs = by_pillow(timm_data.create_transform(**config, is_training=False), image)
    ours = TimmBackbone.preprocessing({"model": model})(image[None])[0]
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 2.5 * GREY_VALUE


def test_a_squashed_oblong_and_a_filter_that_tensors_lack() -> None:
    config = {"input_size": (3, 20, 30), "interpolation": "lanczos", "crop_pct": 1.0, "crop_mode": "squash"}
    transform = from_timm(config | {"mean": (0.5,) * 3, "std": (0.5,) * 3})
    assert transform.interpolation == "bicubic"
    image = photo(64, 48)
    pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((30, 20), Image.Resampling.BICUBIC)
    theirs = torch.from_numpy(np.asarray(pillow).copy()).permute(2, 0, 1) / 127.5 - 1.0
    assert (transform(image[None])[0] - theirs).abs().max() < 2.5 / 127.5


def test_grey_is_repeated_and_a_given_size_crops_nothing_of_a_square() -> None:
    transform = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3).of_size(28)
    image = photo(28, 28, channels=1)
    out = transform(image[None])
    assert torch.equal(out, (image / 255.0)[None].expand(1, 3, 28, 28))
    assert transform.of_size(14)(image[None]).shape == (1, 3, 14, 14)
    assert transform(photo(28, 56)[None])[0].equal(photo(28, 56)[:, :, 14:42] / 255.0)


@pytest.mark.parametrize("raw", [torch.zeros(2, 7), torch.zeros(1, 3, 8, 8), torch.zeros(1, 4, 8, 8).byte()])
def test_what_is_no_image_is_refused(raw: Tensor) -> None:
    with pytest.raises(AutoALError, match="take uint8 images of 1 or 3 channels"):
        Preprocessing()(raw)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(AutoALError, match=r"unknown interpolation 'cubic'\. Did you mean 'bicubic'"):
        Preprocessing(interpolation="cubic")
    with pytest.raises(AutoALError, match="can't cut"):
        Preprocessing(resize=(100, 300))
    with pytest.raises(AutoALError, match="size=0"):
        Preprocessing().of_size(0)
    with pytest.raises(AutoALError, match="unknown timm model 'resnt10t'"):
        TimmBackbone.preprocessing({"model": "resnt10t"})


def test_which_transform_a_backbone_has() -> None:
    assert Backbone.preprocessing({}) == Preprocessing()
    ask = TorchvisionBackbone.preprocessing
    weights = torchvision.models.MobileNet_V2_Weights
    assert ask({"model": "mobilenet_v2"}) == from_torchvision(weights.IMAGENET1K_V1)
    assert ask({"model": "mobilenet_v2", "pretrained": "some.pt"}) == from_torchvision(weights.IMAGENET1K_V1)
    assert ask({"model": "mobilenet_v2", "pretrained": True}) == from_torchvision(weights.DEFAULT)
    assert ask({"model": "mobilenet_v2", "pretrained": "IMAGENET1K_V2"}) == from_torchvision(weights.IMAGENET1K_V2)
    assert from_torchvision(weights.IMAGENET1K_V1) != from_torchvision(weights.IMAGENET1K_V2)
