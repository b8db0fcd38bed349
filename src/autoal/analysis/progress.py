"""Progress on a terminal as a bar, elsewhere as a few plain lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

__all__ = ["track"]

T = TypeVar("T")


def track(items: Sequence[T], description: str, least: int = 100) -> Iterable[T]:
    """Show how far a loop is.

    Args:
        items: What is looped over.
        description: What is done, e.g. ``"reading runs"``.
        least: Loops shorter than this show nothing.

    Returns:
        The items, one after the other.
    """
    if len(items) < least:
        return items
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        from rich.progress import track as bar

        return bar(items, description=description, console=console, transient=True)
    return _lines(items, description)


def _lines(items: Sequence[T], description: str) -> Iterator[T]:
    # A log file wants a line now and then, not one per item.
    every = max(1, len(items) // 4)
    for done, item in enumerate(items):
        if done % every == 0:
            print(f"{description}: {done}/{len(items)}", file=sys.stderr, flush=True)
        yield item
    print(f"{description}: {len(items)}/{len(items)}", file=sys.stderr, flush=True)
