"""Paths on the command line: taken as they are typed or completed, whatever characters they hold.

Hydra's grammar gives a meaning to ``=``, ``,``, quotes, brackets, braces and blanks, so that a path like
``runs/seed=0`` has to be quoted for it, inside the quotes of the shell. Here the words of a command line are
rewritten before Hydra sees them. What a word with a path means:

* ``null``, ``true``, ``false`` and what is quoted for Hydra already mean what they did, and ``${...}`` is filled
  in;
* the name of a file or folder that exists is that file or folder, whatever it is called;
* in a multirun a comma separates values and ``choice(...)``, ``glob(...)`` choose, as for every other key;
* anything else is the path itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

PATH_KEYS = ("resume", "features", "backbone.pretrained", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")
"""Keys that hold a path, besides those of ``paths`` and every ``*.path``."""

_WORD = re.compile(r"(?P<prefix>\+{0,2})(?P<key>[\w.]+)=(?P<value>.+)", re.DOTALL)


def is_path_key(key: str) -> bool:
    """Whether a dotted key holds a path.

    Example:
        >>> [is_path_key(key) for key in ("resume", "paths.data_dir", "dataset.path", "dataset")]
        [True, True, True, False]
    """
    return key in PATH_KEYS or key.startswith("paths.") or key.endswith(".path")


def quote_paths(words: Sequence[str]) -> list[str]:
    """Return a command line whose paths Hydra's grammar takes for what they are.

    Args:
        words: The arguments, as the shell passed them.

    Example:
        >>> quote_paths(["resume=runs/seed=0", "seed=1", "dataset.path=plain"])
        ["resume='runs/seed=0'", 'seed=1', 'dataset.path=plain']
        >>> quote_paths(["-m", "dataset.path=a,b"])
        ['-m', 'dataset.path=a,b']
    """
    multirun = asks_for_multirun(words)
    return [_quote_path(word, multirun, _roots(words)) for word in words]


def asks_for_multirun(words: Sequence[str]) -> bool:
    """Whether a command line starts a sweep.

    Args:
        words: The arguments.
    """
    return any(word in ("-m", "--multirun", "hydra.mode=MULTIRUN") for word in words)


def _roots(words: Sequence[str]) -> list[Path]:
    """Folders below which a relative path may stand."""
    given = [word.partition("=")[2] for word in words if word.lstrip("+").startswith("paths.data_dir=")]
    return [Path(), *(Path(root) for root in (*given, os.environ.get("AUTOAL_DATA") or "data"))]


def _quote_path(word: str, multirun: bool, roots: Sequence[Path]) -> str:
    match = _WORD.fullmatch(word)
    if match is None or not is_path_key(match["key"]):
        return word
    value = match["value"]
    return f"{match['prefix']}{match['key']}={_quoted_value(value, multirun, roots)}"


def _quoted_value(value: str, multirun: bool, roots: Sequence[Path]) -> str:
    parsed = _parse(value)
    if parsed == value:
        return value
    if any(_exists(root / value) for root in roots):
        return _quote(value.replace("${", r"\${"))
    if parsed is None or isinstance(parsed, (bool, QuotedString)):
        return value
    if multirun and (parsed is SWEEP or "," in value):
        return value if parsed is SWEEP else ",".join(_quoted_value(v, False, roots) for v in value.split(","))
    # A string that differs from what was typed was escaped for Hydra, by hand or by its own completion.
    return value if isinstance(parsed, str) and "\\" in value else _quote(value)


def _quote(value: str) -> str:
    return QuotedString(text=value, quote=Quote.single).with_quotes()


SWEEP = object()
"""Stands for a value that is several values."""

BROKEN = object()
"""Stands for a value that Hydra's grammar does not take."""


def _parse(value: str) -> Any:
    try:
        override = OverridesParser.create().parse_override(f"key={value}")
    except HydraException:
        return BROKEN
    return SWEEP if override.is_sweep_override() else override._value


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, or one with a zero in it
        return False


_WITH_VALUE = (
    "--config-dir",
    "-cd",
    "--config-path",
    "-cp",
    "--config-name",
    "-cn",
    "--cfg",
    "-c",
    "--package",
    "-p",
)


def flags_first(words: Sequence[str]) -> list[str]:
    """Put the options before the overrides: Hydra refuses overrides on both sides of an option.

    Args:
        words: The command line's words.

    Example:
        >>> flags_first(["seed=1", "--config-dir", "mine", "-m", "strategy=a,b"])
        ['--config-dir', 'mine', '-m', 'seed=1', 'strategy=a,b']
    """
    flags: list[str] = []
    others: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        (flags if word.startswith("-") or before in _WITH_VALUE else others).append(word)
    return [*flags, *others]


def own_strategy(words: Sequence[str]) -> list[str]:
    """Let ``strategy._target_=my_package.MyStrategy`` stand alone, with the class's options beside it.

    Hydra changes only keys that the chosen config has; the class of somebody's own has keys of its own. It starts
    from an empty config and gets the name ``my_strategy`` unless another is given.

    Args:
        words: The command line's words.

    Example:
        >>> own_strategy(["strategy._target_=mine.Best", "strategy.alpha=2", "seed=1"])
        ['strategy=random', 'strategy.name=best', '+strategy._target_=mine.Best', '+strategy.alpha=2', 'seed=1']
    """
    start = "strategy._target_="
    targets = [word.removeprefix(start) for word in words if word.startswith(start)]
    if not targets or any(word.startswith("strategy=") for word in words):
        return list(words)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", targets[-1].rpartition(".")[2]).lower()
    named = [] if any(word.startswith("strategy.name=") for word in words) else [f"strategy.name={name}"]
    own = [f"+{w}" if w.startswith("strategy.") and not w.startswith("strategy.name=") else w for w in words]
    return ["strategy=random", *named, *own]


def own_callbacks(words: Sequence[str]) -> list[str]:
    """Let ``callbacks.mine._target_=my_package.MyCallback`` stand alone, with the class's options beside it.

    Args:
        words: The command line's words.

    Example:
        >>> own_callbacks(["callbacks.mine._target_=my.Own", "callbacks.mine.alpha=2", "callbacks.other.beta=1"])
        ['+callbacks.mine._target_=my.Own', '+callbacks.mine.alpha=2', 'callbacks.other.beta=1']
    """
    names = {word.split(".")[1] for word in words if re.match(r"callbacks\.\w+\._target_=", word)}
    return [f"+{w}" if w.startswith(tuple(f"callbacks.{name}." for name in names)) else w for w in words]
