"""Augmentations: what they do, that a sample's draw depends on key and id alone, and the distributions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as tvf

from autoal.data.augment import (
    ColorJitter,
    Cutout,
    HorizontalFlip,
    RandAugmentLite,
    RandomCrop,
    RandomRotation,
    VerticalFlip,
    adjust,
    affine,
    grey,
    turn_hue,
    warp,
)
from autoal.data.augmentation import Augmentation
from autoal.data.base import DatasetInfo
from autoal.data.lattice import apply_moves
from autoal.data.transforms import InputTransform
from autoal.errors import AutoALError

ALL = [
    RandomCrop(3),
    HorizontalFlip(),
    VerticalFlip(),
    ColorJitter(0.4, 0.4, 0.4, 0.1),
    RandomRotation(30),
    Cutout(5),
    RandAugmentLite(2, 9),
]
NAMES = [type(a).__name__ for a in ALL]


def images(n: int = 12, channels: int = 3, height: int = 9, width: int = 11) -> Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("augment", ALL, ids=NAMES)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_keeps_shape_and_range_and_the_input(augment: Augmentation, channels: int) -> None:
    x = images(channels=channels)
    before = x.clone()
    y = augment(x, 5, torch.arange(12))
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert float(y.min()) >= 0
    assert float(y.max()) <= 1
    assert torch.equal(x, before)


@pytest.mark.parametrize("augment", ALL, ids=NAMES)
def test_a_draw_depends_on_key_and_id_alone(augment: Augmentation) -> None:
    x, ids = images(), torch.arange(100, 112)
    whole = augment(x, 5, ids)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(augment(x[order], 5, ids[order]), whole[order], atol=1e-6)
    assert torch.allclose(augment(x[3:4], 5, ids[3:4]), whole[3:4], atol=1e-6)
    assert not torch.allclose(augment(x, 6, ids), whole)
    assert not torch.allclose(augment(x, 5, ids + 1000), whole)


@pytest.mark.parametrize("augment", ALL, ids=NAMES)
def test_no_global_random_state_is_touched(augment: Augmentation) -> None:
    state = torch.get_rng_state()
    augment(images(), 5, torch.arange(12))
    assert torch.equal(torch.get_rng_state(), state)


def test_crop_is_pad_and_slice_with_uniform_offsets() -> None:
    x = images(400)
    y = RandomCrop(2)(x, 1, torch.arange(400))
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2))
    seen: dict[tuple[int, int], int] = {}
    for i in range(400):
        places = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if torch.equal(padded[i, :, dy : dy + 9, dx : dx + 11], y[i])
        ]
        assert len(places) == 1
        seen[places[0]] = seen.get(places[0], 0) + 1
    assert len(seen) == 25
    # 400 draws over 25 offsets: 16 each, standard deviation below 4.
    assert max(seen.values()) < 16 + 6 * 4


@pytest.mark.parametrize(("augment", "axis"), [(HorizontalFlip(), 3), (VerticalFlip(), 2)])
def test_flip_mirrors_about_half_of_the_samples(augment: Augmentation, axis: int) -> None:
    x = images(1000)
    y = augment(x, 1, torch.arange(1000))
    flipped = (y == x.flip(axis)).flatten(1).all(1)
    same = (y == x).flatten(1).all(1)
    assert torch.equal(flipped, ~same)
    # Standard deviation of 1000 fair coins: 15.8.
    assert abs(int(flipped.sum()) - 500) < 6 * 16
    assert HorizontalFlip(0.0)(x, 1, torch.arange(1000)).equal(x)
    assert HorizontalFlip(1.0)(x, 1, torch.arange(1000)).equal(x.flip(3))


def test_merged_moves_equal_one_after_the_other() -> None:
    x, ids = images(50), torch.arange(50)
    steps = [RandomCrop(3), VerticalFlip(), HorizontalFlip(), RandomCrop(2)]
    merged = apply_moves(x, [a.move(k, ids, 9, 11) for k, a in enumerate(steps)])
    one_by_one = x
    for k, a in enumerate(steps):
        one_by_one = a(one_by_one, k, ids)
    assert torch.equal(merged, one_by_one)


def test_colours_equal_torchvision() -> None:
    x = images()
    one = torch.ones(12, 1, 1, 1)
    for value in (0.6, 1.0, 1.3):
        factor = one * value
        expected = (
            tvf.adjust_brightness(x, value),
            tvf.adjust_contrast(x, value),
            tvf.adjust_saturation(x, value),
        )
        ours = (adjust(x, factor, one, one), adjust(x, one, factor, one), adjust(x, one, one, factor))
        for a, b in zip(ours, expected, strict=True):
            assert torch.allclose(a, b, atol=2e-3)


def test_a_full_turn_of_the_hue_changes_nothing_and_no_turn_changes_luma() -> None:
    # Weak colours, so that nothing is clamped.
    x = 0.4 + 0.1 * images()
    assert torch.allclose(turn_hue(x, torch.ones(12, 1, 1, 1)), x, atol=2e-3)
    assert torch.allclose(grey(turn_hue(x, torch.full((12, 1, 1, 1), 0.3))), grey(x), atol=2e-3)


def test_warp_by_a_quarter_turn_and_by_whole_pixels() -> None:
    x = images(height=9, width=9)
    zero = torch.zeros(12)
    quarter = warp(x, affine(zero + torch.pi / 2, zero, zero, zero, zero))
    assert torch.allclose(quarter, x.rot90(1, (2, 3)), atol=1e-4) or torch.allclose(
        quarter, x.rot90(-1, (2, 3)), atol=1e-4
    )
    x = images()
    moved = warp(x, affine(zero, zero, zero, zero + 2, zero - 1))
    assert torch.allclose(moved[:, :, 1:, :-2], x[:, :, :-1, 2:], atol=1e-5)
    assert float(moved[:, :, :, -2:].abs().max()) == 0


def test_cutout_clears_one_square_around_a_point_inside() -> None:
    x = torch.ones(300, 1, 9, 11)
    holes = Cutout(4)(x, 2, torch.arange(300)) == 0
    rows, cols = holes.any(3).sum(2), holes.any(2).sum(2)
    assert torch.equal(holes.sum((2, 3)), rows * cols)
    assert int(rows.max()) == int(cols.max()) == 4
    assert int(rows.min()) >= 2
    assert int(cols.min()) >= 2


def test_randaugment_without_strength_moves_and_colours_nothing() -> None:
    x = images()
    assert torch.allclose(RandAugmentLite(3, 0)(x, 1, torch.arange(12)), x, atol=1e-5)


def test_randaugment_leaves_about_the_expected_share_alone() -> None:
    x = images(2000, height=6, width=6)
    y = RandAugmentLite(1, 10)(x, 1, torch.arange(2000))
    untouched = torch.isclose(x, y, atol=1e-5).flatten(1).all(1)
    # One of ten operations is the identity: 200 of 2000, standard deviation 13.4.
    assert abs(int(untouched.sum()) - 200) < 6 * 14


INFO = DatasetInfo("x", (3, 9, 11), 2, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))


def raw_images(n: int = 12) -> Tensor:
    return (images(n) * 255).to(torch.uint8)


def test_scaling_and_normalisation_are_the_textbook_formula() -> None:
    raw = raw_images()
    expected = tvf.normalize(raw.float() / 255, INFO.mean, INFO.std)
    assert torch.allclose(InputTransform(INFO).eval(raw), expected, atol=1e-5)
    assert torch.allclose(InputTransform(INFO).eval(raw.float() / 255), expected, atol=1e-5)
    assert torch.allclose(InputTransform(INFO).train(raw, 3, torch.arange(12)), expected, atol=1e-5)


def test_moves_on_raw_bytes_equal_moves_on_scaled_images() -> None:
    raw, ids = raw_images(), torch.arange(12)
    transform = InputTransform(INFO, [RandomCrop(2), HorizontalFlip()])
    on_floats = transform.train(raw.float() / 255, 3, ids)
    assert torch.allclose(transform.train(raw, 3, ids), on_floats, atol=1e-5)


def test_what_comes_from_outside_is_black_before_normalisation() -> None:
    transform = InputTransform(INFO, [RandomCrop(40)])
    x = transform.train(raw_images(), 3, torch.arange(12))
    black = -torch.tensor(INFO.mean) / torch.tensor(INFO.std)
    assert torch.allclose(x.amin((2, 3)), black.expand(12, 3), atol=1e-5)


def test_equal_augmentations_in_one_list_draw_independently() -> None:
    raw, ids = raw_images(200), torch.arange(200)
    twice = InputTransform(INFO, [HorizontalFlip(), HorizontalFlip()]).train(raw, 3, ids)
    plain = InputTransform(INFO).train(raw, 3, ids)
    assert not torch.equal(twice, plain)


def test_augmenting_a_table_is_refused() -> None:
    with pytest.raises(AutoALError, match=r"set dataset.augment=\[\]"):
        InputTransform(DatasetInfo("t", (5,), 2), [RandomCrop(4)])
