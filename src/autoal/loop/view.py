"""What a person sees while an experiment runs: a live view in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autoal.console.terminal import steady


def _percent(value: Any) -> str:
    return "-" if value is None else f"{100 * float(value):.2f}%"


def rounds_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """Return the table of finished rounds."""
    table = Table(title=title or None, header_style="bold", title_justify="left")
    for name in ("round", "labels", "test acc", "train acc", "epochs", "train s", "query s"):
        table.add_column(name, justify="right")
    for row in rows:
        query = sum(float(row.get(f"seconds_{part}") or 0) for part in ("pool", "search", "select"))
        table.add_row(
            str(row["round"]),
            str(row["n_labeled"]),
            _percent(row["test_acc"]),
            _percent(row["train_acc"]),
            str(row["epochs"]),
            f"{float(row['seconds_train']):.1f}",
            f"{query:.1f}",
        )
    return table


class PlainView:
    """Plain lines: one per round, and one per phase that takes longer than a few seconds.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=steady(sys.stdout), highlight=False, soft_wrap=True)
        self._title = ""
        self._phase_start = 0.0
        self._last_line = 0.0

    def start(self, title: str, n_rounds: int) -> None:
        """Show what runs."""
        self._title = title
        self._last_line = time.monotonic()
        self.console.print(f"AutoAL: {title}")

    def epoch(self, round_: int, n_labeled: int, epoch: int, epochs: int, train_acc: float, loss: float) -> None:
        """Report a finished epoch."""
        if time.monotonic() - self._last_line > 10:
            self._line(f"round {round_}: epoch {epoch}/{epochs}  train acc {_percent(train_acc)}  loss {loss:.4f}")

    def phase(self, name: str) -> None:
        """Report the start of a phase."""
        self._phase_start = time.monotonic()
        self._last_line = max(self._last_line, self._phase_start - 5)

    def progress(self, name: str, done: int, total: int) -> None:
        """Report the progress of a phase."""
        if time.monotonic() - self._last_line > 10:
            self._line(f"  {name}: {done}/{total}")

    def round_done(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Report a finished round."""
        row = rows[-1]
        query = sum(float(row.get(f"seconds_{part}") or 0) for part in ("pool", "search", "select"))
        self._line(
            f"round {row['round']:>3}  labels {row['n_labeled']:>6}  test acc {_percent(row['test_acc'])}  "
            f"train {float(row['seconds_train']):.1f}s ({row['epochs']} epochs)  query {query:.1f}s"
        )

    def stop(self) -> None:
        """End the live part, if there is one."""

    def finish(self, rows: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> None:
        """Show the closing table and lines."""
        self.stop()
        self.console.print(rounds_table(rows, self._title))
        for line in lines:
            self.console.print(line)

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        self.console.print(text)


class LiveView(PlainView):
    """A table of rounds above progress bars, redrawn in place."""

    def start(self, title: str, n_rounds: int) -> None:
        """Open the live view."""
        self._title = title
        self._rows: list[Mapping[str, Any]] = []
        self._bars = Progress(
            TextColumn("[bold]{task.description:<12}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self.console,
        )
        self._round = self._bars.add_task("round", total=n_rounds, note="")
        self._now = self._bars.add_task("starting", total=None, note="")
        self._live = Live(self._render(), console=self.console, refresh_per_second=8, transient=True)
        self._live.start()

    def _render(self) -> Group:
        return Group(rounds_table(self._rows[-12:], f"AutoAL: {self._title}"), self._bars)

    def epoch(self, round_: int, n_labeled: int, epoch: int, epochs: int, train_acc: float, loss: float) -> None:
        """Move the epoch bar."""
        self._bars.update(self._round, completed=round_, note=f"{n_labeled} labels")
        note = f"train acc {_percent(train_acc)}  loss {loss:.4f}"
        self._bars.update(self._now, description="epoch", completed=epoch, total=epochs, note=note)

    def phase(self, name: str) -> None:
        """Start the bar of a phase."""
        self._bars.reset(self._now, description=name, total=None, note="")

    def progress(self, name: str, done: int, total: int) -> None:
        """Move the bar of a phase."""
        self._bars.update(self._now, description=name, completed=done, total=total)

    def round_done(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add a row to the table."""
        self._rows = list(rows)
        self._bars.update(self._round, completed=len(rows))
        self._bars.reset(self._now, description="epoch", total=None, note="")
        self._live.update(self._render())

    def stop(self) -> None:
        """Close the live view."""
        if getattr(self, "_live", None) is not None:
            self._live.stop()


class SilentView(PlainView):
    """Shows nothing: for ranks other than 0."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))


def make_view(show: bool = True) -> PlainView:
    """Return the view that fits: live in a terminal, plain lines elsewhere, silent where ``show`` is False."""
    if not show:
        return SilentView()
    console = Console(file=steady(sys.stdout), highlight=False, soft_wrap=True)
    return LiveView(console) if console.is_terminal else PlainView(console)
