"""Class subsets, imbalance and label noise: exact sizes, seeded, on the training set alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal.data.base import Dataset
from autoal.data.variants import Variant, class_sizes, imbalanced_rows, noisy_labels
from autoal.errors import AutoALError
from tests.data.formats import WRITERS


@pytest.mark.parametrize(
    ("kind", "ratio", "expected"),
    [
        ("exp", 100.0, [1000, 316, 100, 31, 10]),
        ("step", 10.0, [1000, 1000, 1000, 100, 100]),
        ("linear", 5.0, [200, 400, 600, 800, 1000]),
    ],
)
def test_class_sizes_follow_the_definition(kind: str, ratio: float, expected: list[int]) -> None:
    targets = torch.arange(5000) % 5
    rows = imbalanced_rows(targets, 5, Variant(imbalance=ratio, kind=kind))
    assert targets[rows].bincount().tolist() == expected
    assert torch.equal(rows, rows.unique())


@pytest.mark.parametrize(
    ("n_classes", "ratio", "published"),
    [
        (10, 10, 20_431),
        (10, 50, 13_996),
        (10, 100, 12_406),
        (100, 10, 19_573),
        (100, 50, 12_608),
        (100, 100, 10_847),
    ],
)
def test_the_long_tail_of_cifar_has_the_published_number_of_images(
    n_classes: int, ratio: int, published: int
) -> None:
    targets = torch.arange(50_000) % n_classes
    rows = imbalanced_rows(targets, n_classes, Variant(imbalance=ratio))
    assert len(rows) == published
    # Class by class, by the released rule: the largest size times ratio^(-c / (C - 1)), cut to an integer.
    largest = 50_000 // n_classes
    expected = [int(largest * (1 / ratio) ** (c / (n_classes - 1))) for c in range(n_classes)]
    assert targets[rows].bincount().tolist() == expected


@pytest.mark.parametrize("kind", ["exp", "step", "linear"])
def test_whole_sizes_do_not_lose_a_sample_to_rounding(kind: str) -> None:
    for n_classes in (2, 3, 5, 10, 29):
        for ratio in (2, 3, 5, 7, 10, 100):
            sizes = class_sizes(700 * ratio, n_classes, Variant(imbalance=ratio, kind=kind))
            assert max(sizes) == 700 * ratio
            assert min(sizes) == 700


def test_linear_ten_is_deepal_plus_imbalanced_cifar10() -> None:
    targets = torch.arange(50_000) % 10
    rows = imbalanced_rows(targets, 10, Variant(imbalance=10, kind="linear"))
    assert targets[rows].bincount().tolist() == [500 * (c + 1) for c in range(10)]


def test_unlabelled_samples_stay_and_small_classes_do_not_grow() -> None:
    targets = torch.tensor([0] * 50 + [1] * 3 + [-1] * 7)
    rows = imbalanced_rows(targets, 2, Variant(imbalance=2.0))
    kept = targets[rows]
    assert int((kept == 0).sum()) == 50
    assert int((kept == 1).sum()) == 3
    assert int((kept == -1).sum()) == 7


def test_the_draw_depends_on_the_variant_seed_alone() -> None:
    targets = torch.arange(1000) % 4
    first = imbalanced_rows(targets, 4, Variant(imbalance=10, seed=1))
    assert torch.equal(first, imbalanced_rows(targets, 4, Variant(imbalance=10, seed=1)))
    assert not torch.equal(first, imbalanced_rows(targets, 4, Variant(imbalance=10, seed=2)))


@given(st.floats(0, 1), st.integers(2, 9), st.integers(0, 100))
def test_exactly_the_stated_share_of_labels_is_wrong(rate: float, n_classes: int, seed: int) -> None:
    targets = torch.arange(200) % (n_classes + 1) - 1
    noisy = noisy_labels(targets, n_classes, Variant(label_noise=rate, seed=seed))
    known = targets >= 0
    assert int((noisy != targets).sum()) == round(rate * int(known.sum()))
    assert torch.equal(noisy[~known], targets[~known])
    assert int(noisy.max()) < n_classes
    assert int(noisy[known].min()) >= 0


def test_noise_reaches_every_other_class_about_equally() -> None:
    targets = torch.zeros(30_000, dtype=torch.int64)
    counts = noisy_labels(targets, 4, Variant(label_noise=1.0)).bincount(minlength=4)
    assert counts[0] == 0
    # Three classes share 30,000 draws: 10,000 each, standard deviation 82.
    assert (counts[1:] - 10_000).abs().max() < 6 * 82


def test_a_subset_renumbers_in_the_order_given_on_every_split(
    tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    WRITERS["cifar10"](tmp_path)
    whole = dataset_of("cifar10").load(tmp_path)
    dataset = dataset_of("cifar10", "dataset.classes=[dog,3,airplane]", "dataset.verify=false")
    assert dataset.info.n_classes == 3
    assert dataset.info.class_names == ("dog", "cat", "airplane")
    splits = dataset.load(tmp_path)
    for part in ("train", "test"):
        rows = torch.isin(whole[part].targets, torch.tensor([5, 3, 0])).nonzero().squeeze(1)
        old = torch.tensor([5, 3, 0])[splits[part].targets]
        assert torch.equal(old, whole[part].targets[rows])
        kept = splits[part].source.fetch(torch.arange(len(splits[part])))
        assert torch.equal(kept, whole[part].source.fetch(rows))


def test_imbalance_and_noise_leave_the_test_set_alone(tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    WRITERS["cifar10"](tmp_path)
    plain = dataset_of("cifar10").load(tmp_path)
    harder = ("dataset.imbalance=step:5", "dataset.label_noise=0.5")
    dataset = dataset_of("cifar10", *harder, "dataset.verify=false")
    changed = dataset.load(tmp_path)
    assert len(changed["train"]) == 5 * 10 + 5 * 2
    assert torch.equal(changed["test"].targets, plain["test"].targets)
    assert dataset.info == dataset_of("cifar10").info


def test_every_dataset_takes_the_common_keys(tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    WRITERS["breakhis"](tmp_path)
    splits = dataset_of("breakhis", "dataset.size=16", "dataset.imbalance=3", "dataset.verify=false").load(
        tmp_path
    )
    counts = splits["train"].targets.bincount()
    assert counts.tolist() == [6, 2]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dataset.classes=[cat,unicorn]", "has no class 'unicorn'"),
        ("dataset.classes=[1,10]", "has no class 10"),
        ("dataset.classes=[1,1]", "names a class twice"),
        ("dataset.classes=[1]", "one class"),
        ("dataset.classes=5", "not a list"),
        ("dataset.imbalance=0.5", "imbalance=0.5"),
        ("dataset.imbalance=steep", "imbalance=steep"),
        ("dataset.imbalance=nan", "imbalance=nan"),
        ("dataset.label_noise=1.5", r"dataset\.label_noise=1\.5 is not a number in \[0, 1\]"),
    ],
)
def test_values_that_make_no_sense_are_refused_before_loading(
    override: str, message: str, dataset_of: Callable[..., Dataset]
) -> None:
    with pytest.raises(AutoALError, match=message):
        dataset_of("cifar10", override)
