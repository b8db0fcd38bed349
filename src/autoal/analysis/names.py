"""File names made from labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["slug", "slugs"]


def slug(label: str) -> str:
    """Turn a label into a file name.

    Args:
        label: E.g. ``digits / mlp``.

    Returns:
        E.g. ``digits_mlp``.
    """
    return re.sub(r"[^A-Za-z0-9.=+-]+", "_", label).strip("_.") or "setting"


def slugs(labels: Sequence[str]) -> list[str]:
    """Turn labels into file names, with a number where two labels differ only in punctuation.

    Args:
        labels: The labels.

    Returns:
        One name per label, each once.
    """
    names: list[str] = []
    for label in labels:
        name, number = slug(label), 2
        while name in names:
            name, number = f"{slug(label)}-{number}", number + 1
        names.append(name)
    return names
