"""Names of the cells' directories: short, unique and readable, from what varies in the sweep.

``-m strategy=random,margin seed=0,1 loop.n_query=10 loop.epochs=4,8`` gives ``epochs=4,seed=0,strategy=random``.
What is the same for all cells stands in the sweep's ``multirun.yaml``, and everything in a cell's own ``.hydra``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser

from autoal.config.variants import PREFIX

LONGEST = 100
"""Characters of a name, at most: file systems take 255 bytes, and job names and titles carry it too."""

IDENTITY = ("strategy", "seed")
"""Keys that stand in a name even where they do not vary: a sweep may be given more of them later."""

_UNSAFE = re.compile(r"[^\w.=,-]+")


def constants(sweep_overrides: Sequence[str]) -> set[str]:
    """Return the keys to which a sweep's command line gives one value.

    Args:
        sweep_overrides: Its overrides, e.g. ``["strategy=random,margin", "loop.n_query=10"]``.

    Example:
        >>> sorted(constants(["strategy=random,margin", "loop.n_query=10"]))
        ['loop.n_query']
    """
    parsed = OverridesParser.create().parse_overrides(list(sweep_overrides))
    # Of a key that is given twice the last value counts.
    varies = {_key(o.get_key_element()): o.is_sweep_override() for o in parsed}
    return {key for key, several in varies.items() if not several}


def _key(text: str) -> str:
    text = text.partition("=")[0]
    if text.startswith(PREFIX):
        text = f"strategy.{text.removeprefix(PREFIX).partition('.')[2]}"
    return text.lstrip("+~")


def varying(overrides: Iterable[str], constant: set[str]) -> list[str]:
    """Return the overrides that make a cell differ from others, sorted, each as ``key=value``.

    Args:
        overrides: The cell's overrides.
        constant: Keys that have one value in the whole sweep.
    """
    last = {_key(word): word.partition("=")[2] for word in overrides}
    return sorted(f"{k}={v}" for k, v in last.items() if k in IDENTITY or k not in constant)


def directory_name(items: Sequence[str]) -> str:
    """Return the name of a cell's directory.

    Args:
        items: What makes it differ from others, ``key=value``.

    Returns:
        At most :data:`LONGEST` characters, one path component. A hash of the whole text is part of it where
        characters had to be replaced or cut, so that no two cells share a name.

    Example:
        >>> directory_name(["loop.n_query=10", "seed=0", "strategy=margin"])
        'n_query=10,seed=0,strategy=margin'
        >>> directory_name(["+experiment=deepal/mnist", "seed=0"])
        'experiment=deepal_mnist,seed=0-c6df77'
    """
    keys = [item.partition("=")[0].lstrip("+~") for item in items]
    ends = Counter(key.rpartition(".")[2] for key in keys)
    words = []
    for key, item in zip(keys, items, strict=True):
        end = key.rpartition(".")[2]
        words.append(f"{end if ends[end] == 1 else key}={item.partition('=')[2]}")
    whole = ",".join(words)
    name = _UNSAFE.sub("_", whole)
    if name == whole and len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.sha256(",".join(items).encode()).hexdigest()[:6]
    while len(name.encode()) > LONGEST - 1 - len(digest):
        name = name[:-1]
    return f"{name.rstrip('_,=')}-{digest}"
