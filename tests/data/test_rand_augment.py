"""RandAugment's operations against Pillow's, and what an image's draws depend on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from autoal.data import rand_augment as ops
from autoal.data.noise import FeatureNoise
from autoal.data.rand_augment import RandAugment


def image(seed: int = 0) -> Image.Image:
    """A picture whose levels are unevenly filled, with one flat channel."""
    rng = np.random.default_rng(seed)
    pixels = (rng.beta(2, 5, size=(12, 10, 3)) * 200 + 20).astype(np.uint8)
    if seed == 1:
        pixels[..., 2] = 77
    return Image.fromarray(pixels)


def tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


CASES: dict[str, tuple[ops.Operation, float, Callable[[Image.Image], Image.Image]]] = {
    "autocontrast": (ops.autocontrast, 0.0, ImageOps.autocontrast),
    "brightness": (ops.brightness, 0.5, lambda p: ImageEnhance.Brightness(p).enhance(0.5)),
    "colour": (ops.colour, 0.5, lambda p: ImageEnhance.Color(p).enhance(0.5)),
    "contrast": (ops.contrast, 0.5, lambda p: ImageEnhance.Contrast(p).enhance(0.5)),
    "equalize": (ops.equalize, 0.0, ImageOps.equalize),
    "posterize to 4 bits": (ops.posterize, 0.0, lambda p: ImageOps.posterize(p, 4)),
    "posterize to 6 bits": (ops.posterize, 0.5, lambda p: ImageOps.posterize(p, 6)),
    "sharpness": (ops.sharpness, 0.0, lambda p: ImageEnhance.Sharpness(p).enhance(0.05)),
    "solarize": (ops.solarize, 100 / 255, lambda p: ImageOps.solarize(p, 100)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_operations_are_pillows(name: str, seed: int) -> None:
    operation, strength, theirs = CASES[name]
    found = operation(tensor(image(seed)), torch.tensor([strength])) * 255
    # Pillow rounds to whole levels, some twice.
    assert (found - tensor(theirs(image(seed))) * 255).abs().max() <= 1.51


@pytest.mark.parametrize("operation", ops.OPERATIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_is_changed_alone(operation: ops.Operation, channels: int) -> None:
    x = torch.rand(5, channels, 9, 8, generator=torch.Generator().manual_seed(0))
    strength = torch.linspace(0, 1, 5)
    whole = operation(x, strength)
    assert whole.shape == x.shape
    assert whole.min() >= -1e-6
    assert whole.max() <= 1 + 1e-6
    assert torch.allclose(operation(x[2:3], strength[2:3]), whole[2:3], atol=1e-6)


def test_every_operation_is_drawn_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = torch.zeros(14)

    def counting(number: int) -> ops.Operation:
        def operation(x: Tensor, strength: Tensor) -> Tensor:
            counts[number] += len(x)
            return x

        return operation

    augment = RandAugment(n=2, cutout=0)
    augment.operations = tuple(counting(i) for i in range(14))
    augment(torch.zeros(7000, 1, 2, 2), 3, torch.arange(7000))
    assert counts.sum() == 14000
    assert (counts - 1000).abs().max() < 150


def test_cutout_is_filled_with_the_mean() -> None:
    x = torch.zeros(400, 1, 10, 10)
    x[:, :, 0] = 1
    y = RandAugment(n=1, cutout=0.5, geometric=True)
    y.operations = (ops.identity,)
    changed = (y(x, 1, torch.arange(400)) - 0.1).abs() < 1e-6
    share = changed.float().mean((1, 2, 3))
    assert 0.2 < share.max() <= 0.25
    assert 0.03 < share.mean() < 0.12
    assert torch.equal(RandAugment(n=1, cutout=0, geometric=True)(x, 1, torch.arange(400)) == 0.1, x > 2)


def test_noise_has_the_distribution_it_promises() -> None:
    x = torch.full((4000, 20), 3.0)
    y = FeatureNoise(0.5, 0.25)(x, 5, torch.arange(4000))
    dropped = y == 0
    assert dropped.float().mean() == pytest.approx(0.25, abs=0.01)
    rest = y[~dropped] - 3
    assert rest.mean() == pytest.approx(0, abs=0.01)
    assert rest.std() == pytest.approx(0.5, abs=0.01)
    assert (rest.abs() < 0.5).float().mean() == pytest.approx(0.6827, abs=0.01)
    one = FeatureNoise(0.5, 0.25)(x[:1], 5, torch.tensor([17]))
    assert torch.equal(one[0], y[17])
