"""What installed packages add: classes that they register by entry points.

A package declares, for example, in its ``pyproject.toml``::

    [project.entry-points."autoal.strategies"]
    mine = "my_package.strategies:Mine"

Installing a package is the user's word that its code may run; a config of a run directory is not.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from importlib import metadata

GROUPS = ("strategies", "datasets", "backbones", "loggers", "callbacks")
"""Groups of entry points are ``autoal.<group>``."""


def entries(group: str) -> tuple[metadata.EntryPoint, ...]:
    """Return the entry points of a group; what is installed is read again only where it has changed.

    Args:
        group: One of :data:`GROUPS`.
    """
    found = _installed(tuple((folder, _changed(folder)) for folder in sys.path))
    return tuple(entry for entry in found if entry.group == f"autoal.{group}")


@lru_cache(maxsize=4)
def _installed(state: tuple[tuple[str, float], ...]) -> tuple[metadata.EntryPoint, ...]:
    # Reading hundreds of packages takes longer than all else that composing a config does.
    every = metadata.entry_points()
    return tuple(entry for group in GROUPS for entry in every.select(group=f"autoal.{group}"))


def _changed(folder: str) -> float:
    """When something was last installed in a folder of the path."""
    try:
        return os.stat(folder or ".").st_mtime  # noqa: PTH116
    except OSError:
        return 0.0


def registered(group: str) -> dict[str, str]:
    """Return what installed packages register in a group; nothing is imported.

    Args:
        group: One of :data:`GROUPS`.

    Returns:
        Name -> dotted path of the class, ``package.module.Class``.
    """
    return {entry.name: f"{entry.module}.{entry.attr}" for entry in entries(group)}


def registered_targets() -> set[str]:
    """Return the dotted paths of all classes that installed packages register."""
    return {target for group in GROUPS for target in registered(group).values()}
