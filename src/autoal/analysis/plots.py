"""The learning curve of one experiment as a PNG, redrawn after every round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoal.analysis.axes import mark_sizes, percent
from autoal.analysis.curves import as_floats
from autoal.files import atomic_open

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["INK", "PALETTE", "plot_curve", "style_axes"]

# Okabe-Ito, dark enough on white and told apart by colour-blind readers; black last.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#7F3C8D",
    "#8C6D31",
    "#666666",
    "#000000",
)
INK = "#333333"


def style_axes(ax: Axes) -> None:
    """Give axes the quiet look shared by all figures: light grid, no upper and right frame.

    Args:
        ax: The axes to style.
    """
    ax.grid(True, color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#999999")
    ax.tick_params(colors=INK, labelsize=9, color="#999999")


def plot_curve(rows: Sequence[Mapping[str, Any]], path: str | Path, title: str) -> None:
    """Draw accuracy over labelled samples for one experiment and write it atomically.

    Args:
        rows: One mapping per finished round with ``n_labeled``, ``test_acc`` (fractions) and, where measured,
            ``val_acc``; values may be strings as read from ``rounds.csv``.
        path: Where the PNG shall be.
        title: Heading, e.g. ``"digits / mlp / badge / seed 3"``.
    """
    # Figure without pyplot: no global state, no display, nothing left open in a long training process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    style_axes(ax)
    ax.set_title(title, fontsize=11, color=INK, loc="left")
    ax.set_xlabel("labelled samples", color=INK)
    ax.set_ylabel("accuracy", color=INK)
    ax.yaxis.set_major_formatter(percent)

    sizes = as_floats([row["n_labeled"] for row in rows])
    test = as_floats([row.get("test_acc") for row in rows])
    val = as_floats([row.get("val_acc") for row in rows])
    if np.isfinite(val).any():
        ax.plot(
            sizes,
            val,
            color=PALETTE[1],
            linewidth=1.2,
            linestyle="--",
            marker="s",
            markersize=3.5,
            label="val",
        )
    known = np.flatnonzero(np.isfinite(test))
    if known.size:
        ax.plot(sizes, test, color=PALETTE[0], linewidth=1.8, marker="o", markersize=5, label="test")
        last = known[-1]
        # Beside the title: beside the last point it would lie on the curve.
        text = f"{test[last]:.1%} at {sizes[last]:,.0f}"
        ax.set_title(text, loc="right", color=PALETTE[0], fontsize=10, fontweight="bold")
        mark_sizes(ax, sizes, room=62)
    else:
        ax.text(0.5, 0.5, "no round finished yet", transform=ax.transAxes, ha="center", color=INK)
    if len(ax.lines) > 1:
        ax.legend(loc="lower right", frameon=False, labelcolor=INK)
    with atomic_open(Path(path), "wb") as file:
        figure.savefig(file, format="png")
