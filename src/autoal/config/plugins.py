"""What installed packages add: classes that they register by entry points.

A package declares, for example, in its ``pyproject.toml``::

    [project.entry-points."autoal.strategies"]
    mine = "my_package.strategies:Mine"

Installing a package is the user's word that its code may run; a config of a run directory is not.
"""

from __future__ import annotations

from importlib import metadata

GROUPS = ("strategies", "datasets", "backbones", "loggers", "callbacks")
"""Groups of entry points are ``autoal.<group>``."""


def registered(group: str) -> dict[str, str]:
    """Return what installed packages register in a group; nothing is imported.

    Args:
        group: One of :data:`GROUPS`.

    Returns:
        Name -> dotted path of the class, ``package.module.Class``.
    """
    return {entry.name: f"{entry.module}.{entry.attr}" for entry in metadata.entry_points(group=f"autoal.{group}")}


def registered_targets() -> set[str]:
    """Return the dotted paths of all classes that installed packages register."""
    return {target for group in GROUPS for target in registered(group).values()}
