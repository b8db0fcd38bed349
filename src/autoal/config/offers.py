"""Parts of installed packages as configs: ``strategy=NAME`` for whatever an entry point registers.

A package may ship configs of its own in ``<package>/conf/<group>/``, which Hydra then finds; a part without one
gets a config of its name and class.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from autoal.config.plugins import GROUPS, entries

CONFIG_GROUPS = {
    "strategies": "strategy",
    "datasets": "dataset",
    "backbones": "backbone",
    "loggers": "logger",
    "callbacks": "callbacks",
}
"""Entry-point group -> config group."""

_COMMON: dict[str, dict[str, Any]] = {
    "dataset": {"augment": [], "classes": None, "imbalance": None, "label_noise": 0.0, "verify": True}
    | {"variant_seed": 0},
    "backbone": {"dropout": 0.0, "freeze": "none", "channels_last": False, "compile": False},
}
"""The keys that every choice of a group has, see ``conf/<group>/common``."""


@dataclass(frozen=True)
class Offer:
    """A part that an installed package registers.

    Attributes:
        name: Its name in configs.
        target: Dotted path of its class.
        package: The distribution that brings it.
    """

    name: str
    target: str
    package: str


def offers(group: str) -> list[Offer]:
    """Return what installed packages add to a config group, by name; nothing is imported.

    Args:
        group: ``"strategy"``, ``"dataset"``, ``"backbone"``, ``"logger"`` or ``"callbacks"``.
    """
    kinds = [kind for kind, own in CONFIG_GROUPS.items() if own == group]
    found = {
        entry.name: Offer(entry.name, f"{entry.module}.{entry.attr}", entry.dist.name if entry.dist else "")
        for kind in kinds
        for entry in entries(kind)
    }
    return [found[name] for name in sorted(found)]


def package_confs() -> list[Path]:
    """Return the ``conf`` folders of the packages that register parts."""
    parts = [entry for kind in GROUPS for entry in entries(kind)]
    found: dict[Path, None] = {}
    for package in sorted({entry.module.partition(".")[0] for entry in parts}):
        spec = util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec is not None else []:
            if (Path(place) / "conf").is_dir():
                found[Path(place) / "conf"] = None
    return list(found)


def store_offers() -> None:
    """Give Hydra a config for every offered part; a file of that name comes before it."""
    from hydra.core.config_store import ConfigStore

    for group in CONFIG_GROUPS.values():
        for offer in offers(group):
            node: dict[str, Any] = {"name": offer.name, "_target_": offer.target, **_COMMON.get(group, {})}
            if group == "logger":
                node = {offer.name: {}}
            elif group == "callbacks":
                node = {offer.name: {"_target_": offer.target}}
            ConfigStore.instance().store(group=group, name=offer.name, node=node, provider=offer.package)
