"""Harder versions of any dataset: class subsets, class imbalance, label noise, all seeded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from autoal.data.base import Dataset, Split
from autoal.data.loading import load_splits
from autoal.errors import AutoALError
from autoal.rng import generator

LARGEST_RATIO = 1e6
"""Largest ratio of class sizes: beyond it no data set has a sample left in its smallest class."""


@dataclass(frozen=True)
class Variant:
    """What to change.

    Attributes:
        classes: Keep only these classes (numbers or names), renumbered in this order; empty: all.
        imbalance: Size of the largest over the smallest training class. ``kind="exp"`` is the long tail of
            Cui et al. 2019 (https://arxiv.org/abs/1901.05555): class sizes fall geometrically with the
            class number. 1: as the dataset is.
        kind: ``"exp"``, ``"step"`` (the second half of the classes is cut to ``1 / imbalance``) or
            ``"linear"`` (class sizes rise linearly from ``1 / imbalance`` to 1, as in DeepAL+'s
            imbalanced CIFAR-10).
        label_noise: Share of the training labels replaced by another class, drawn uniformly.
        seed: Seed of the draws: a property of the dataset, the same for every experiment seed.
    """

    classes: tuple[int | str, ...] = ()
    imbalance: float = 1.0
    kind: str = "exp"
    label_noise: float = 0.0
    seed: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the keys ``classes``, ``imbalance``, ``label_noise`` and ``variant_seed``.

        ``imbalance`` is a ratio, or ``step``, ``linear`` or ``exp`` for a ratio of 10 in that form, or
        ``step:100`` for another one.

        Raises:
            AutoALError: If a value is out of range.
        """
        kind, ratio = _parse_imbalance(config.get("imbalance"))
        noise = float(config.get("label_noise") or 0.0)
        if not 0.0 <= noise <= 1.0:
            raise AutoALError(f"dataset.label_noise={noise} is not a share in [0, 1]")
        classes = config.get("classes") or ()
        if isinstance(classes, str | int) or not isinstance(classes, Sequence):
            raise AutoALError(f"dataset.classes={classes} is not a list of class numbers or names")
        if len(set(classes)) != len(classes):
            raise AutoALError(f"dataset.classes={list(classes)} names a class twice")
        if len(classes) == 1:
            raise AutoALError(f"dataset.classes={list(classes)}: one class leaves nothing to learn")
        return cls(tuple(classes), ratio, kind, noise, int(config.get("variant_seed") or 0))

    @property
    def is_plain(self) -> bool:
        """Whether nothing changes."""
        return not self.classes and self.imbalance == 1.0 and self.label_noise == 0.0


def _parse_imbalance(value: Any) -> tuple[str, float]:
    if value is None:
        return "exp", 1.0
    kind, _, number = value.partition(":") if isinstance(value, str) else ("exp", "", value)
    if kind not in ("exp", "step", "linear"):
        kind, number = "exp", kind
    try:
        # "step" alone is a ratio of 10; an empty text is nothing.
        ratio = 10.0 if number == "" and value != "" else float(number)
    except ValueError:
        ratio = 0.0
    if not 1.0 <= ratio <= LARGEST_RATIO:
        raise AutoALError(
            f"dataset.imbalance={value} is neither a ratio from 1 to {LARGEST_RATIO:g} nor step, linear, exp or "
            "e.g. step:100"
        )
    return kind, ratio


LARGEST_RATIO = 1e6
"""Largest ratio of class sizes: beyond it no data set has a sample left in the smallest class."""


class VariantDataset(Dataset):
    """A dataset with a :class:`Variant` applied when it is loaded.

    Class subsets act on every split; imbalance and label noise only on the training split, so the test
    set stays what it was. Sample ids are rows of the changed training set.

    Args:
        dataset: The dataset to change.
        variant: How.
    """

    def __init__(self, dataset: Dataset, variant: Variant) -> None:
        self.inner = dataset
        self.variant = variant
        self.info = dataset.info
        if dataset.info.n_classes:
            self._update_info()

    def _update_info(self) -> list[int]:
        """Set :attr:`info` and return the numbers of the classes that stay, in their new order."""
        info = self.inner.info
        keep = [self._class_number(c) for c in self.variant.classes] or list(range(info.n_classes))
        names = tuple(info.class_names[c] for c in keep) if info.class_names else ()
        self.info = replace(info, n_classes=len(keep), class_names=names)
        return keep

    def _class_number(self, label: int | str) -> int:
        info = self.inner.info
        if isinstance(label, str) and label in info.class_names:
            return info.class_names.index(label)
        if not isinstance(label, int) or not 0 <= label < info.n_classes:
            valid = f"0..{info.n_classes - 1}"
            names = f" or {', '.join(info.class_names)}" if 0 < len(info.class_names) <= 20 else ""
            raise AutoALError(f"dataset.classes: {info.name} has no class {label!r} (valid: {valid}{names})")
        return label

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch or verify the files of the dataset underneath."""
        return self.inner.prepare(root, fetch)

    def load(self, root: Path) -> dict[str, Split]:
        """Load the dataset and apply the variant."""
        splits = load_splits(self.inner, root)
        self.lacks_test = self.inner.lacks_test
        keep = self._update_info()
        if self.variant.classes:
            splits = {name: _only(split, keep) for name, split in splits.items()}
        train = splits["train"]
        if self.variant.imbalance > 1.0:
            rows = imbalanced_rows(train.targets, self.info.n_classes, self.variant)
            train = train.select(rows)
        if self.variant.label_noise > 0.0:
            noisy = noisy_labels(train.targets, self.info.n_classes, self.variant)
            train = replace(train, targets=noisy, digest=None)
        return splits | {"train": train}


def _only(split: Split, keep: Sequence[int]) -> Split:
    """Keep the samples of some classes, renumbered; samples without a label stay."""
    renumber = torch.full((max(int(split.targets.max()) if len(split) else -1, *keep) + 2,), -2, dtype=torch.int64)
    renumber[torch.tensor(keep)] = torch.arange(len(keep))
    # Index -1 is the last entry: an unknown label stays unknown.
    renumber[-1] = -1
    targets = renumber[split.targets]
    rows = (targets != -2).nonzero().squeeze(1)
    return replace(split, targets=targets, digest=None).select(rows)


def class_sizes(largest: int, n_classes: int, variant: Variant) -> list[int]:
    r"""Return the wanted size of each class.

    With :math:`r` the ratio and :math:`c = 0..C-1` the class, the share of the largest is :math:`r^{-c/(C-1)}`
    (``exp``), 1 in the first half and :math:`1/r` in the second (``step``), or
    :math:`1/r + (1 - 1/r)\,c/(C-1)` (``linear``). Sizes are cut down to whole numbers, as in the published
    long-tailed CIFAR sets: 12,406 images of CIFAR-10 and 10,847 of CIFAR-100 at a ratio of 100.

    Args:
        largest: Size of the largest class.
        n_classes: Number of classes C.
        variant: Its ``imbalance`` and ``kind`` count.

    Example:
        >>> sum(class_sizes(5000, 10, Variant(imbalance=100)))
        12406
    """
    lowest = 1.0 / variant.imbalance
    position = [c / max(n_classes - 1, 1) for c in range(n_classes)]
    share = {
        "exp": [lowest**p for p in position],
        "step": [1.0 if c < (n_classes + 1) // 2 else lowest for c in range(n_classes)],
        "linear": [lowest + (1.0 - lowest) * p for p in position],
    }[variant.kind]
    # A product that is whole but for rounding (0.29 * 100 = 28.999...) must not lose a sample.
    return [max(1, math.floor(largest * s + 1e-9)) for s in share]


def imbalanced_rows(targets: Tensor, n_classes: int, variant: Variant) -> Tensor:
    """Choose which training samples stay so that class sizes follow ``variant``.

    Sizes are relative to the largest class; a class never grows, and keeps at least one sample.

    Args:
        targets: Int64, ``(N,)``; samples with ``-1`` all stay.
        n_classes: Number of classes C.
        variant: Its ``imbalance``, ``kind`` and ``seed`` count.

    Returns:
        Rows that stay, ascending, int64.
    """
    largest = int(torch.bincount(targets[targets >= 0], minlength=n_classes).max())
    wanted = class_sizes(largest, n_classes, variant)
    kept = [(targets < 0).nonzero().squeeze(1)]
    for label in range(n_classes):
        rows = (targets == label).nonzero().squeeze(1)
        order = torch.randperm(len(rows), generator=generator(variant.seed, "imbalance", label))
        kept.append(rows[order[: wanted[label]]])
    return torch.cat(kept).sort().values


def noisy_labels(targets: Tensor, n_classes: int, variant: Variant) -> Tensor:
    """Replace a share of the known labels by another class, uniformly.

    Args:
        targets: Int64, ``(N,)``; ``-1`` stays.
        n_classes: Number of classes.
        variant: Its ``label_noise`` and ``seed`` count.

    Returns:
        New labels, ``(N,)``; exactly ``round(label_noise * known)`` of them differ.
    """
    known = (targets >= 0).nonzero().squeeze(1)
    draws = generator(variant.seed, "label_noise")
    chosen = known[torch.randperm(len(known), generator=draws)[: round(variant.label_noise * len(known))]]
    # A shift by 1..C-1 reaches every other class with equal probability and never the class itself.
    shift = torch.randint(1, n_classes, (len(chosen),), generator=draws)
    noisy = targets.clone()
    noisy[chosen] = (noisy[chosen] + shift) % n_classes
    return noisy
