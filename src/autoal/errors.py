"""Errors that are meant for people: one line, what is wrong, the value, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AutoALError(Exception):
    """A mistake of the user, or a state of the world, that one line explains.

    The command line prints the message without a traceback and exits with status 1.
    """


MOST_NAMES = 100
"""A message lists all valid names up to this many."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> AutoALError:
    """Build the error for a name that does not exist, with the nearest valid one.

    Args:
        kind: What the name stands for, e.g. ``"strategy"``.
        name: The name that was given.
        valid: All names that exist.

    Returns:
        The error, to be raised by the caller.
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    if len(names) > MOST_NAMES:
        some = difflib.get_close_matches(name, names, n=10, cutoff=0.0)
        return AutoALError(f"unknown {kind} '{name}'.{hint} Nearest of {len(names):,}: {', '.join(some)}")
    return AutoALError(f"unknown {kind} '{name}'.{hint} Valid: {', '.join(names)}")
