"""Options of one strategy in a sweep over several: ``strategy.NAME.KEY=VALUE`` applies only to NAME.

Hydra's sweep gives every override to every cell, and a strategy refuses the options of another. The words are
therefore rewritten before Hydra sees them (``+only_for.NAME.KEY=VALUE``, which fits every config), and
:func:`fitting` makes of them what each cell is run with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autoal.errors import AutoALError

PREFIX = "+only_for."

_WORD = re.compile(r"(?:\+{0,2})strategy\.(?P<name>\w+)\.(?P<key>[\w.]+)=(?P<value>.*)", re.DOTALL)


def only_for(words: Sequence[str], strategies: Sequence[str], multirun: bool) -> list[str]:
    """Rewrite the options of one strategy on a sweep's command line.

    Args:
        words: The arguments.
        strategies: Names of strategies; a word with another one is left as it is.
        multirun: Whether they start a sweep.

    Raises:
        AutoALError: If a single run has such a word.

    Example:
        >>> only_for(["strategy=badge,autoal", "strategy.autoal.prior=null"], ["autoal", "badge"], multirun=True)
        ['strategy=badge,autoal', '+only_for.autoal.prior=null']
    """
    return [_rewritten(word, strategies, multirun) for word in words]


def _rewritten(word: str, strategies: Sequence[str], multirun: bool) -> str:
    match = _WORD.fullmatch(word)
    if match is None or match["name"] not in strategies:
        return word
    if not multirun:
        short = f"strategy.{match['key']}={match['value']}"
        raise AutoALError(f"{word} is for sweeps over several strategies (-m); a single run takes {short}")
    return f"{PREFIX}{match['name']}.{match['key']}={match['value']}"


def as_typed(word: str) -> str:
    """Return a word of the command line as the user typed it.

    Example:
        >>> as_typed("+only_for.autoal.prior=null")
        'strategy.autoal.prior=null'
    """
    return f"strategy.{word.removeprefix(PREFIX)}" if word.startswith(PREFIX) else word


def fitting(overrides: Sequence[str], strategy: str) -> list[str]:
    """Return what a cell of a sweep is run with: the options of its own strategy, and none of the others'.

    Args:
        overrides: The cell's overrides, as Hydra's sweeper made them.
        strategy: The strategy that it chooses.

    Example:
        >>> fitting(["strategy=autoal", "+only_for.autoal.prior=null", "+only_for.bald.n_samples=5"], "autoal")
        ['strategy=autoal', 'strategy.prior=null']
    """
    own = f"{PREFIX}{strategy}."
    return [
        f"strategy.{word.removeprefix(own)}" if word.startswith(own) else word
        for word in overrides
        if word.startswith(own) or not word.startswith(PREFIX)
    ]


def chosen(overrides: Sequence[str], default: str) -> str:
    """Return the strategy that a cell's overrides choose.

    Args:
        overrides: The cell's overrides.
        default: The choice where they have none.
    """
    return next((w.partition("=")[2] for w in reversed(overrides) if w.startswith("strategy=")), default)
