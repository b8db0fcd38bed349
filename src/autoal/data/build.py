"""Build datasets and augmentations from a ``dataset`` config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from autoal.config.instantiate import create
from autoal.data.base import Dataset
from autoal.data.transforms import Augmentation
from autoal.data.variants import Variant, VariantDataset

COMMON_KEYS = ("name", "augment", "classes", "imbalance", "label_noise", "variant_seed", "verify")
"""Keys of a dataset config that are not constructor arguments of the dataset."""


def plain(config: Any) -> Any:
    """Return ``config`` with OmegaConf's containers resolved to dicts and lists."""
    if isinstance(config, DictConfig | ListConfig):
        return OmegaConf.to_container(config, resolve=True)
    return config


def build_dataset(config: Mapping[str, Any]) -> Dataset:
    """Build the dataset that a config describes, with its variant.

    Args:
        config: ``_target_``, the dataset's own arguments, and :data:`COMMON_KEYS`: ``name`` (how it is
            called in reports), ``augment`` (see :func:`build_augmentations`), and the variant keys
            ``classes``, ``imbalance``, ``label_noise``, ``variant_seed``
            (see :class:`autoal.data.variants.Variant`), and ``verify`` (whether files must be the published
            ones, see :mod:`autoal.data.loading`).

    Raises:
        AutoALError: If a value makes no sense for the dataset.
    """
    settings = plain(config)
    options = {k: v for k, v in settings.items() if k not in COMMON_KEYS}
    dataset: Dataset = create("dataset", options)
    dataset.verify = bool(settings.get("verify", True))
    if settings.get("name"):
        dataset.info = replace(dataset.info, name=str(settings["name"]))
    variant = Variant.from_config(settings)
    return dataset if variant.is_plain else VariantDataset(dataset, variant)


def build_augmentations(configs: Sequence[Mapping[str, Any]] | None) -> tuple[Augmentation, ...]:
    """Build the augmentations of the config key ``dataset.augment``.

    Args:
        configs: One mapping with ``_target_`` per augmentation, in their order; None or empty: none.
    """
    return tuple(create("dataset.augment", config) for config in plain(configs) or ())
