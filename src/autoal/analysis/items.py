"""Pieces of the page as data: what the page's script turns into tables, charts and text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoal.analysis.charts import Chart
from autoal.analysis.results import Overall, SettingResult
from autoal.analysis.runs import Problem
from autoal.analysis.style import Look
from autoal.analysis.tables import Table, format_cell

__all__ = ["Item", "PageInput", "chart_item", "note_item", "section_item", "table_item"]

Item = dict[str, Any]
# More rows than this help nobody on a screen; the CSV file has them all.
_MAX_ROWS = 2000


@dataclass(frozen=True)
class PageInput:
    """Everything that the page shows.

    Attributes:
        title: Heading of the page.
        results: The settings.
        overall: All settings together.
        problems: What was left out or is missing.
        styles: Strategy to look.
        alpha: Error level of intervals and tests.
        band: What the bands of curves show, a name of :data:`~autoal.analysis.bands.BANDS`.
    """

    title: str
    results: Sequence[SettingResult]
    overall: Overall
    problems: Sequence[Problem]
    styles: Mapping[str, Look]
    alpha: float = 0.05
    band: str = "ci"


def table_item(table: Table, drop: Sequence[str] = (), name: str = "") -> Item:
    """A sortable table.

    Args:
        table: The table.
        drop: Keys of columns to leave out.
        name: Id of the element.

    Returns:
        The item; beyond 2,000 rows the rest is left to the CSV file.
    """
    keep = [i for i, column in enumerate(table.columns) if column.key not in drop]
    columns = [{"label": c.label, "kind": c.kind, "hint": c.hint} for c in (table.columns[i] for i in keep)]
    rows = [[_cell(row[i], table.columns[i].kind) for i in keep] for row in table.rows[:_MAX_ROWS]]
    return {"type": "table", "columns": columns, "rows": rows, "id": name}


def _cell(value: Any, kind: str) -> Any:
    text = format_cell(value, kind)
    if kind == "text":
        return text
    number = None if value is None else float(value)
    if number is None or math.isnan(number):
        return [None, text]
    # JSON knows no infinity; it sorts beyond every t that a test can give.
    return [math.copysign(1e30, number) if math.isinf(number) else float(f"{number:.6g}"), text]


def chart_item(figure: Chart, name: str) -> Item:
    """A Plotly chart.

    Args:
        figure: Data and layout.
        name: Id of the element.

    Returns:
        The item.
    """
    return {"type": "chart", "id": name, "figure": figure}


def section_item(name: str, short: str, title: str, intro: str, items: Sequence[Item], style: str = "") -> Item:
    """A section with its link in the navigation.

    Args:
        name: Id of the element.
        short: Text of the link.
        title: Heading.
        intro: Explanation below the heading.
        items: Content.
        style: Class of the element.

    Returns:
        The section.
    """
    return {"id": name, "short": short, "title": title, "intro": intro, "items": list(items), "className": style}


def note_item(text: str) -> Item:
    """A remark, e.g. why there is no test.

    Args:
        text: The remark.

    Returns:
        The item.
    """
    return {"type": "note", "text": text}
