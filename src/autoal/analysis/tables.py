"""Tables of a report: one definition each, written as CSV, shown in the page and set in LaTeX."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoal.files import atomic_open

__all__ = ["Column", "Table", "format_cell", "plain_text", "write_csv"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: Name in the CSV file.
        label: Heading for people, with the unit.
        kind: How a value is shown: ``text``, ``int``, ``percent`` (a fraction times 100), ``points`` (the same
            with a sign), ``number``, ``signed`` or ``p``.
        hint: Explanation shown on hovering over the heading.
    """

    key: str
    label: str
    kind: str = "text"
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """Columns and rows; values are raw, NaN or None where there is nothing to say."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]


def format_cell(value: Any, kind: str) -> str:
    """Format a value for people.

    Args:
        value: The raw value.
        kind: A :class:`Column` kind.

    Returns:
        Text; a dash where there is no value.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if kind == "text":
        return str(value)
    number = float(value)
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if kind == "int":
        return f"{number:,.0f}"
    if kind == "percent":
        return f"{100 * number:.2f}"
    if kind == "points":
        return f"{100 * number:+.2f}".replace("-", "−")
    if kind == "signed":
        return f"{number:+.2f}".replace("-", "−")
    if kind == "p":
        return "<0.001" if number < 0.001 else f"{number:.3f}"
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.2f}"


def write_csv(path: Path, table: Table) -> None:
    """Write a table as CSV, atomically; values are raw and empty where there is none.

    Text that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or a
    carriage return, and is no number) gets an apostrophe in front: names come from folders that may be anybody's.

    Args:
        path: Where the file shall be.
        table: The table.
    """
    with atomic_open(path) as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([plain_text(column.key) for column in table.columns])
        for row in table.rows:
            writer.writerow([plain_text(_raw(value)) for value in row])


def _raw(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.10g}"
    return value


def plain_text(value: Any) -> Any:
    """Return a CSV field that no spreadsheet evaluates; numbers, and text that is one, stay as they are."""
    if not isinstance(value, str):
        return value
    # Python's csv leaves a carriage return without quotes, and readers begin a row there.
    text = value.replace("\r", " ")
    if not value.startswith(_FORMULA):
        return text
    try:
        float(value)
    except ValueError:
        return f"'{text}"
    return text
