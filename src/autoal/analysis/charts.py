"""Interactive charts of the page as Plotly figures (plain dicts: data and layout).

Dicts instead of Plotly's figure classes: validating every point of thousands of runs would cost more time than the
rest of the report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autoal.analysis.axes import CUT, Ends, ends, size_ticks
from autoal.analysis.curves import FloatArray
from autoal.analysis.pairwise import PairRow
from autoal.analysis.results import PRIOR_OF, SettingResult, StrategyResult
from autoal.analysis.style import Look

__all__ = ["Chart", "curve_chart", "difference_chart", "numbers", "weight_chart"]

Chart = dict[str, Any]

# More points than this cannot be told apart on a screen; the CSV files keep all.
_MAX_POINTS = 200
# Characters that fit along the x axis of a chart as wide as the page.
_ROOM = 95


def numbers(values: FloatArray | Sequence[float], digits: int = 5) -> list[float | None]:
    """Round for JSON, with null for NaN.

    Args:
        values: Numbers.
        digits: Digits after the point.

    Returns:
        A list that JSON can hold.
    """
    return [None if not math.isfinite(v) else round(v, digits) for v in np.asarray(values, dtype=float).tolist()]


def _thin(size: int) -> FloatArray | slice:
    return slice(None) if size <= _MAX_POINTS else np.unique(np.linspace(0, size - 1, _MAX_POINTS).astype(np.intp))


def _rgba(color: str, alpha: float) -> str:
    r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{alpha})"


def curve_chart(result: SettingResult, styles: Mapping[str, Look], band: str = "ci") -> Chart:
    """Mean learning curves with bands; one hidden trace per strategy holds its seeds.

    A strategy's traces share a legend group, so that a click on its legend entry hides all of them. Traces with
    ``meta = "seeds"`` are shown by the page's switch.

    Args:
        result: The setting.
        styles: Strategy to look.
        band: What the bands show, a name of :data:`~autoal.analysis.bands.BANDS`.

    Returns:
        The chart; if its y axis ends before a band does, it says so.
    """
    data: list[Chart] = []
    for s in sorted(result.strategies, key=lambda s: -s.final[0]):
        look = styles[s.name]
        keep = _thin(s.curve.sizes.size)
        x, mean, half = s.curve.sizes[keep], s.curve.mean[keep], s.curve.spread(band)[keep]
        common = {"legendgroup": s.name, "type": "scatter"}
        known = np.isfinite(half)
        if known.any():
            low, high = mean[known] - half[known], mean[known] + half[known]
            data.append(
                common
                | {
                    "name": s.name,
                    "meta": "band",
                    "showlegend": False,
                    "hoverinfo": "skip",
                    "mode": "lines",
                    "x": numbers(np.concatenate([x[known], x[known][::-1]])),
                    "y": numbers(np.concatenate([high, low[::-1]])),
                    "fill": "toself",
                    "fillcolor": _rgba(look.color, 0.13),
                    "line": {"width": 0},
                }
            )
        data.append(_seed_trace(result, s, look) | common)
        data.append(
            common
            | {
                "name": s.name,
                "meta": "mean",
                "mode": "lines+markers",
                "x": numbers(x),
                "y": numbers(mean),
                "customdata": ["" if h is None else f" ± {100 * h:.2f}" for h in numbers(half)],
                "line": {"color": look.color, "width": 2, "dash": "dash" if look.dashed else "solid"},
                "marker": {"color": look.color, "size": 5, "symbol": look.symbol},
                "hovertemplate": "%{y:.2%}%{customdata}",
            }
        )
    means = np.concatenate([s.curve.mean for s in result.strategies])
    half = np.concatenate([s.curve.spread(band) for s in result.strategies])
    shown = ends(means, means - half, means + half)
    layout = {
        "height": 480,
        "hovermode": "x unified",
        "xaxis": _size_axis(np.concatenate([s.curve.sizes for s in result.strategies])),
        "yaxis": {
            "title": {"text": "test accuracy"},
            "tickformat": ".0%",
            "range": [round(shown.low, 4), round(shown.high, 4)],
        },
        "legend": {"groupclick": "togglegroup"},
        "annotations": _cut_notes(shown),
    }
    return {"data": data, "layout": layout}


def _size_axis(sizes: FloatArray) -> Chart:
    """An x axis whose ticks are sizes that were measured."""
    ticks = size_ticks(sizes, _ROOM)
    return {
        "title": {"text": "labelled samples"},
        "tickmode": "array",
        "tickvals": numbers(ticks),
        "ticktext": [f"{size:,.0f}" for size in ticks],
        "ticks": "outside",
    }


def _cut_notes(shown: Ends) -> list[Chart]:
    common = {"xref": "paper", "yref": "paper", "x": 0.005, "xanchor": "left", "showarrow": False}
    above = {"text": f"▲ {CUT}", "y": 1.0, "yanchor": "top"}
    below = {"text": f"▼ {CUT}", "y": 0.0, "yanchor": "bottom"}
    return [common | note for note, cut in ((above, shown.cut_high), (below, shown.cut_low)) if cut]


def _seed_trace(result: SettingResult, s: StrategyResult, look: Look) -> Chart:
    x: list[float | None] = []
    y: list[float | None] = []
    for run in result.setting.runs[s.name]:
        keep = _thin(run.n_labeled.size)
        # A gap between two seeds keeps them one trace, which draws and toggles much faster than one each.
        x += [*numbers(run.n_labeled[keep]), None]
        y += [*numbers(run.acc[keep], 4), None]
    return {
        "name": s.name,
        "meta": "seeds",
        "showlegend": False,
        "visible": False,
        "hoverinfo": "skip",
        "mode": "lines",
        "x": x,
        "y": y,
        "connectgaps": False,
        "line": {"color": _rgba(look.color, 0.4), "width": 1},
    }


def difference_chart(result: SettingResult, styles: Mapping[str, Look]) -> Chart | None:
    """AUBC of every strategy minus that of the baseline, with an interval.

    The interval is :attr:`~autoal.analysis.stats.Comparison.interval`.

    Args:
        result: The setting.
        styles: Strategy to look.

    Returns:
        The chart; None without a baseline or without common seeds.
    """
    rows = []
    for pair in result.pairs:
        if pair.metric == "aubc" and result.baseline in (pair.first, pair.second) and pair.result.n >= 2:
            rows.append(_against(pair, str(result.baseline)))
    if not rows:
        return None
    rows.sort(key=lambda row: row[1])
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "showlegend": False,
            "x": numbers([100 * row[1] for row in rows], 3),
            "y": [row[0] for row in rows],
            "error_x": {
                "type": "data",
                "symmetric": False,
                "thickness": 2,
                "width": 5,
                "color": "#888888",
                "array": numbers([100 * (row[3] - row[1]) for row in rows], 3),
                "arrayminus": numbers([100 * (row[1] - row[2]) for row in rows], 3),
            },
            "marker": {"size": 10, "color": [styles[row[0]].color for row in rows]},
            "hovertemplate": "%{y}: %{x:+.2f} points<extra></extra>",
        }
    ]
    layout = {
        "height": 140 + 28 * len(rows),
        "xaxis": {
            "title": {"text": f"AUBC minus that of {result.baseline}, percentage points"},
            "zeroline": True,
            "rangemode": "tozero",
        },
        "yaxis": {"automargin": True},
    }
    return {"data": data, "layout": layout}


def _against(pair: PairRow, baseline: str) -> tuple[str, float, float, float]:
    mean, (low, high) = pair.result.mean, pair.result.interval
    if pair.second == baseline:
        return pair.first, mean, low, high
    return pair.second, -mean, -high, -low


def weight_chart(s: StrategyResult, prefix: str, title: str, styles: Mapping[str, Look]) -> Chart:
    """Strategy weights, or shares of votes, over the rounds.

    Args:
        s: A strategy that logs columns with this prefix.
        prefix: ``weight_`` or ``vote_share_``.
        title: Title of the y axis.
        styles: Strategy to look, of the candidates too.

    Returns:
        The chart.
    """
    data = []
    own = {column: band for column, band in s.weights.items() if column.startswith(prefix)}
    for column, band in own.items():
        look = styles[column.removeprefix(prefix)]
        keep = _thin(band.sizes.size)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": column.removeprefix(prefix),
                "x": numbers(band.sizes[keep]),
                "y": numbers(band.mean[keep], 4),
                "marker": {"size": 5, "color": look.color, "symbol": look.symbol},
                "line": {"color": look.color, "width": 2},
                "hovertemplate": "%{y:.1%}",
            }
        )
    sizes = np.concatenate([band.sizes for band in own.values()])
    if prefix == PRIOR_OF:
        data += _prior_lines(s.prior, sizes, styles)
    layout = {
        "height": 380,
        "hovermode": "x unified",
        "xaxis": _size_axis(sizes),
        "yaxis": {"title": {"text": title}, "rangemode": "tozero", "tickformat": ".0%"},
    }
    return {"data": data, "layout": layout}


def _prior_lines(
    prior: Mapping[str, float], sizes: FloatArray, styles: Mapping[str, Look]
) -> list[dict[str, Any]]:
    """A dashed line for each weight that the search starts from; grey where several candidates share it."""
    shared: dict[float, list[str]] = {}
    for name, value in prior.items():
        shared.setdefault(round(value, 6), []).append(name)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"prior of {names[0] if len(names) == 1 else f'{len(names)} candidates'}",
            "x": numbers(np.array([sizes.min(), sizes.max()])),
            "y": [round(value, 4)] * 2,
            "line": {
                "color": styles[names[0]].color if len(names) == 1 else "#777777",
                "width": 1.1,
                "dash": "dash",
            },
            "hoverinfo": "skip",
        }
        for value, names in shared.items()
    ]
