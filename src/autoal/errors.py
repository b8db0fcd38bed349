"""Errors that are meant for people: one line, what is wrong, the value, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AutoALError(Exception):
    """A mistake of the user, or a state of the world, that one line explains.

    The command line prints the message without a traceback and exits with status 1.
    """


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
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return AutoALError(f"unknown {kind} '{name}'.{hint} Valid: {', '.join(names)}")
