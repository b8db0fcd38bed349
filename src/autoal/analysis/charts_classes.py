"""Interactive charts about classes: accuracy per class and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from autoal.analysis.charts import Chart, numbers
from autoal.analysis.charts_compare import heatmap
from autoal.analysis.classes import ClassResult, ClassSummary
from autoal.analysis.style import Look

__all__ = ["accuracy_chart", "confusion_chart"]


def accuracy_chart(summary: ClassSummary, styles: Mapping[str, Look]) -> Chart:
    """Share of each class that was recognised, one mark per strategy.

    Args:
        summary: The classes of a setting.
        styles: Strategy to look.

    Returns:
        The chart.
    """
    many = len(summary.classes) > 40
    data = [
        {
            "name": r.name,
            "x": list(summary.classes),
            "y": numbers(r.accuracy),
            "hovertemplate": "%{y:.1%}",
            "type": "scatter",
            "mode": "lines" if many else "markers",
            "line": {"color": styles[r.name].color, "width": 1.5},
            "marker": {"color": styles[r.name].color, "size": 9},
        }
        for r in summary.results
    ]
    layout = {
        "height": 380,
        "hovermode": "x unified",
        "xaxis": {"title": {"text": "class"}, "type": "category"},
        "yaxis": {"title": {"text": "test accuracy"}, "tickformat": ".0%"},
    }
    return {"data": data, "layout": layout}


def confusion_chart(classes: Sequence[str], result: ClassResult) -> Chart:
    """Heat map of what each class was taken for, as shares of the class.

    Args:
        classes: Names of the classes.
        result: The strategy.

    Returns:
        The chart.
    """
    shares = result.confusion / np.maximum(result.confusion.sum(axis=1, keepdims=True), 1)
    # Names may be equal when cut short, and a category axis would join them; they are whole.
    text = [["" if v < 0.005 else f"{100 * v:.0f}" for v in row] for row in shares.tolist()]
    chart = heatmap(shares, classes, classes, text, 1.0, "%{y} taken for %{x}: %{z:.1%}<extra></extra>", ".0%")
    chart["layout"]["xaxis"]["title"] = {"text": "taken for"}
    chart["layout"]["yaxis"]["title"] = {"text": "class"}
    return chart
