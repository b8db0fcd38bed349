"""Heat maps of a paper: who beats whom, and how much of a purchase two strategies share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autoal.analysis.curves import FloatArray
from autoal.analysis.figures import RC, new_figure
from autoal.analysis.pairwise import PenaltyMatrix
from autoal.analysis.plots import INK
from autoal.analysis.results import SettingResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["overlap_figure", "penalty_figure"]


def penalty_figure(matrix: PenaltyMatrix) -> Figure:
    """Heat map of a penalty matrix with the mean penalty below it.

    Args:
        matrix: The matrix.

    Returns:
        The figure; its colours reach from 0 to the number of settings, the largest that a cell can be.
    """
    m = len(matrix.names)
    shown = np.vstack([matrix.wins, matrix.penalty])
    top = max(1.0, float(np.nanmax(matrix.settings)) if matrix.settings.size else 1.0)
    rows = [*matrix.names, "mean penalty"]
    figure = _heat_map(shown, matrix.names, rows, top, "{:.2f}".format, f"{matrix.label}: row beats column")
    figure.axes[0].axhline(m - 0.5, color="white", linewidth=4)
    return figure


def overlap_figure(result: SettingResult) -> Figure:
    """Heat map of the share of bought samples that two strategies have in common, from 0 to 100 %.

    Args:
        result: The setting; at least one ledger was read.

    Returns:
        The figure.
    """
    names, overlap = result.selection.names, result.selection.overlap
    title = f"{result.setting.label}: samples bought by both"
    return _heat_map(overlap, names, names, 1.0, "{:.0%}".format, title)


def _heat_map(
    values: FloatArray,
    columns: Sequence[str],
    rows: Sequence[str],
    top: float,
    text: Callable[[float], str],
    title: str,
) -> Figure:
    """Draw a matrix with the value in each cell and a colour bar from 0 to ``top``."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    with matplotlib.rc_context(RC):
        m = len(columns)
        side = 1.9 + 0.42 * m
        figure = new_figure(side + 1.1, side)
        ax = figure.add_subplot()
        # From pale to strong, so that white figures can be read on the upper half, dark ones on the lower.
        colours: Any = LinearSegmentedColormap.from_list("blues", ["#f3f7fb", "#7fb2dc", "#0b559f"])
        image = ax.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=0.0, vmax=top, aspect="equal")
        bar = figure.colorbar(image, ax=ax, fraction=0.046, pad=0.03, format=lambda value, _: text(value))
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelcolor=INK)
        small = 8 if m <= 12 else 6
        for (i, j), value in np.ndenumerate(values):
            if math.isfinite(value):
                ax.text(
                    j, i, text(value), ha="center", va="center", fontsize=small,
                    color="white" if value > 0.6 * top else INK,
                )  # fmt: skip
            elif i != j:
                ax.text(j, i, "–", ha="center", va="center", fontsize=small, color="#999999")
        ax.set_xticks(range(m), columns, rotation=40, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(rows)), rows)
        ax.tick_params(length=0, labelcolor=INK)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_title(title, loc="left", color=INK)
    return figure
