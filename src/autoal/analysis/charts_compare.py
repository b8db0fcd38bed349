"""Interactive charts that compare strategies: heat maps, class balance and seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from autoal.analysis.charts import Chart, numbers
from autoal.analysis.curves import FloatArray
from autoal.analysis.ledgers import SelectionSummary
from autoal.analysis.pairwise import PenaltyMatrix
from autoal.analysis.results import SettingResult
from autoal.analysis.style import PHASE_COLORS, Look
from autoal.analysis.win_shares import WinShares

__all__ = ["class_chart", "heatmap", "overlap_chart", "penalty_chart", "seconds_chart", "share_chart"]


def heatmap(
    z: FloatArray,
    x: Sequence[str],
    y: Sequence[str],
    text: Sequence[Sequence[str]],
    top: float,
    hover: str,
    ticks: str = "",
) -> Chart:
    """Heat map with the value of each cell in it.

    Args:
        z: The values, ``(R, C)``.
        x: Names of the columns.
        y: Names of the rows.
        text: What stands in each cell.
        top: The value of the darkest colour; the lightest is 0.
        hover: Plotly's template of the words at the pointer.
        ticks: Plotly's format of the colour bar.

    Returns:
        The chart.
    """
    trace = {
        "type": "heatmap",
        "z": [numbers(row) for row in z],
        "x": list(x),
        "y": list(y),
        "text": [list(t) for t in text],
        "texttemplate": "%{text}",
        "hovertemplate": hover,
        "zmin": 0,
        "zmax": top,
        "showscale": True,
        "colorbar": {"thickness": 14, "outlinewidth": 0, "tickformat": ticks},
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "colorscale": [[0, "#eef4fa"], [0.5, "#7fb2dc"], [1, "#0b559f"]],
    }
    side = 44 if len(x) <= 12 else 32
    layout = {
        "height": 130 + side * len(y),
        "xaxis": {"tickangle": -35, "automargin": True, "showgrid": False, "type": "category"},
        "yaxis": {"autorange": "reversed", "automargin": True, "showgrid": False, "type": "category"},
        "meta": {"maxWidth": 320 + 2 * side * len(x)},
    }
    return {"data": [trace], "layout": layout}


def penalty_chart(matrix: PenaltyMatrix) -> Chart:
    """Heat map of a penalty matrix; the last row is the mean penalty.

    Args:
        matrix: The matrix.

    Returns:
        The chart.
    """
    z = np.vstack([matrix.wins, matrix.penalty])
    y = [*matrix.names, "mean penalty"]
    text = [["" if not math.isfinite(v) else f"{v:.2f}" for v in row] for row in z.tolist()]
    top = max(1.0, float(np.nanmax(matrix.settings)) if matrix.settings.size else 1.0)
    return heatmap(z, matrix.names, y, text, top, "%{y} beats %{x}: %{z:.2f}<extra></extra>")


def share_chart(shares: WinShares) -> Chart:
    """Heat map of win shares, from 0 to 100 %, with each row's mean.

    Args:
        shares: The matrix.

    Returns:
        The chart.
    """
    mean = np.array(
        [np.mean(row[np.isfinite(row)]) if np.isfinite(row).any() else math.nan for row in shares.share]
    )
    z = np.column_stack([shares.share, mean])
    text = [["" if not math.isfinite(v) else f"{100 * v:.0f}" for v in row] for row in z.tolist()]
    hover = "%{y} ahead of %{x}: %{z:.1%}<extra></extra>"
    return heatmap(z, [*shares.names, "mean"], shares.names, text, 1.0, hover, ".0%")


def overlap_chart(selection: SelectionSummary) -> Chart:
    """Heat map of the share of bought samples that two strategies have in common, from 0 to 100 %.

    Args:
        selection: The selection of a setting.

    Returns:
        The chart.
    """
    z = selection.overlap
    text = [["" if not math.isfinite(v) else f"{100 * v:.0f}%" for v in row] for row in z.tolist()]
    names = selection.names
    return heatmap(z, names, names, text, 1.0, "%{y} and %{x}: %{z:.1%}<extra></extra>", ".0%")


def class_chart(selection: SelectionSummary, styles: Mapping[str, Look]) -> Chart:
    """Share of every class among the samples bought.

    Args:
        selection: The selection of a setting.
        styles: Strategy to look.

    Returns:
        The chart.
    """
    many = len(selection.classes) > 40
    data = []
    for name, shares in zip(selection.names, selection.shares, strict=True):
        look = styles[name]
        trace = {
            "name": name,
            "x": [str(c) for c in selection.classes],
            "y": numbers(shares),
            "hovertemplate": "%{y:.1%}",
            "type": "scatter" if many else "bar",
            "marker": {"color": look.color},
        }
        data.append(trace | ({"mode": "lines", "line": {"color": look.color, "width": 1.5}} if many else {}))
    layout = {
        "height": 400,
        "barmode": "group",
        "hovermode": "x unified",
        "xaxis": {"title": {"text": "class"}, "type": "category"},
        "yaxis": {"title": {"text": "share of the labels bought"}, "tickformat": ".0%", "rangemode": "tozero"},
    }
    return {"data": data, "layout": layout}


def seconds_chart(result: SettingResult) -> Chart | None:
    """Stacked bars of the mean seconds per run and phase.

    Args:
        result: The setting.

    Returns:
        The chart; None if nothing was measured.
    """
    rows = sorted((s for s in result.strategies if s.seconds), key=lambda s: sum(s.seconds.values()))
    if not rows:
        return None
    phases = list(dict.fromkeys(phase for s in rows for phase in s.seconds))
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": phase,
            "y": [s.name for s in rows],
            "x": numbers([s.seconds.get(phase, 0.0) for s in rows], 3),
            "marker": {"color": PHASE_COLORS[i % len(PHASE_COLORS)]},
            "hovertemplate": "%{x:.2f} s",
        }
        for i, phase in enumerate(phases)
    ]
    layout = {
        "height": 150 + 30 * len(rows),
        "barmode": "stack",
        "hovermode": "y unified",
        "xaxis": {"title": {"text": "seconds per run"}},
        "yaxis": {"automargin": True, "showgrid": False},
    }
    return {"data": data, "layout": layout}
