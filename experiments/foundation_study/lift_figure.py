"""The study's picture: a panel per set, a line per strategy, points of accuracy above random over labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoal.analysis.axes import mark_sizes
from autoal.analysis.plots import INK, PALETTE, style_axes
from autoal.files import atomic_open

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("autoal", "uherding", "typiclust", "bait", "alfamix", "margin")
"""In the order of their colours: the default, what published tables have in front, and a cheap one."""

_COLUMNS = 3


def draw(frames: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw mean differences to random on the same seeds; the bands are standard errors.

    Args:
        frames: The rounds of each set; none: nothing is drawn.
        path: Where the PNG shall be.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not frames:
        return
    rows = -(-len(frames) // _COLUMNS)
    figure = Figure(figsize=(3.3 * _COLUMNS, 2.7 * rows + 0.5), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for ax in panels[len(frames) :]:
        ax.remove()
    for ax, (name, frame) in zip(panels, frames.items(), strict=False):
        lines, seeds = lifts(frame)
        style_axes(ax)
        ax.set_title(f"{name}, {seeds} seed{'s' * (seeds != 1)}", fontsize=10, color=INK, loc="left")
        ax.axhline(0, color=INK, linestyle="--", linewidth=1, label="random")
        for strategy, (sizes, mean, error) in lines.items():
            colour = PALETTE[NAMES.index(strategy) % len(PALETTE)]
            ax.plot(sizes, mean, color=colour, linewidth=1.6, label=strategy)
            ax.fill_between(sizes, mean - error, mean + error, color=colour, alpha=0.12, linewidth=0)
        mark_sizes(ax, frame["n_labeled"].unique(), room=26)
    for ax in panels[max(0, len(frames) - _COLUMNS) : len(frames)]:
        ax.set_xlabel("labelled samples", color=INK)
    for ax in panels[: len(frames) : _COLUMNS]:
        ax.set_ylabel("points above random", color=INK)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9)
    with atomic_open(path, "wb") as file:
        figure.savefig(file, format="png", metadata={"Software": None})


def lifts(frame: pd.DataFrame) -> tuple[dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], int]:
    """Return sizes, mean points above random and their standard errors by strategy, and the number of seeds.

    Only the seeds that random and every strategy drawn have count, so that all lines are of the same seeds.
    """
    names = [name for name in NAMES if name in set(frame["strategy"])]
    wide = frame.pivot(index=["strategy", "seed"], columns="n_labeled", values="test_acc").sort_index()
    seeds = set.intersection(*(set(wide.loc[name].index) for name in ("random", *names)))
    common = sorted(seeds)
    lines = {}
    for name in names:
        lift = 100 * (wide.loc[name].loc[common] - wide.loc["random"].loc[common])
        error = (lift.std() / np.sqrt(len(common))).fillna(0.0)
        lines[name] = (lift.columns.to_numpy(), lift.mean().to_numpy(), error.to_numpy())
    return lines, len(common)
