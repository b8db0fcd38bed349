"""How far an embedding is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from autoal.embedding.store import Block

EVERY = 10.0
"""Seconds between two plain lines."""


def show(blocks: Iterable[Block], done: int, total: int) -> Iterator[Block]:
    """Pass blocks on and show how many rows are done.

    Args:
        blocks: Finished blocks, as they come.
        done: Rows that were there before.
        total: Rows in all.
    """
    from rich.console import Console

    console = Console(stderr=True)
    return _bar(blocks, done, total) if console.is_terminal else _lines(blocks, done, total)


def _bar(blocks: Iterable[Block], done: int, total: int) -> Iterator[Block]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("embedding {task.fields[split]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, completed=done, split="")
        for block in blocks:
            progress.update(task, advance=block.stop - block.start, split=block.split)
            yield block


def _lines(blocks: Iterable[Block], done: int, total: int) -> Iterator[Block]:
    begin = last = time.monotonic()
    new = 0
    for block in blocks:
        new += block.stop - block.start
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            rate = new / (now - begin)
            print(
                f"embedding {block.split}: {done + new:,}/{total:,} images, {rate:.0f} per second, "
                f"{(total - done - new) / rate:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
        yield block
