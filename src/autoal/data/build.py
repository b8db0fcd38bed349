"""Build datasets and augmentations from a ``dataset`` config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from autoal.config.instantiate import create, plan, split
from autoal.config.values import Share, Text, Whole
from autoal.data.augmentation import Augmentation
from autoal.data.base import Dataset
from autoal.data.variants import Variant, VariantDataset


@dataclass(frozen=True)
class DatasetKeys:
    """Keys of a ``dataset`` config that are not constructor arguments of the dataset.

    Attributes:
        name: Its name in reports.
        augment: See :func:`build_augmentations`.
        classes: See :class:`autoal.data.variants.Variant`, as the keys below.
        imbalance: Ratio or form of the class imbalance.
        label_noise: Share of wrong training labels.
        variant_seed: Seed of the draws.
        verify: Whether files must be the published ones, see :mod:`autoal.data.loading`.
    """

    name: Text | None = None
    augment: Sequence[Mapping[str, Any]] | None = ()
    classes: Sequence[int | str] | None = None
    imbalance: float | str | None = None
    label_noise: Share | None = 0.0
    variant_seed: Whole | None = 0
    verify: bool = True


def plain(config: Any) -> Any:
    """Return ``config`` with OmegaConf's containers resolved to dicts and lists."""
    if isinstance(config, DictConfig | ListConfig):
        return OmegaConf.to_container(config, resolve=True)
    return config


def build_dataset(config: Mapping[str, Any]) -> Dataset:
    """Build the dataset that a config describes, with its variant.

    Args:
        config: ``_target_``, the dataset's own arguments, and :class:`DatasetKeys`.

    Raises:
        AutoALError: If a value makes no sense for the dataset.
    """
    keys, rest = split(plain(config), DatasetKeys, "dataset")
    planned = plan("dataset", rest, Dataset, common=DatasetKeys)
    variant = Variant.from_config(asdict(keys))
    dataset: Dataset = planned.build()
    dataset.verify = keys.verify
    if keys.name:
        dataset.info = replace(dataset.info, name=keys.name)
    return dataset if variant.is_plain else VariantDataset(dataset, variant)


def build_augmentations(configs: Sequence[Mapping[str, Any]] | None) -> tuple[Augmentation, ...]:
    """Build the augmentations of the config key ``dataset.augment``.

    Args:
        configs: One mapping with ``_target_`` per augmentation, in their order; None or empty: none.

    Raises:
        AutoALError: If one names no :class:`~autoal.data.augmentation.Augmentation` or its arguments are wrong.
    """
    entries = enumerate(plain(configs) or ())
    return tuple(create(f"dataset.augment[{i}]", config, Augmentation) for i, config in entries)
