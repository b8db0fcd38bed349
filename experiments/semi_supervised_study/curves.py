"""The study's pictures: a panel per training, a line per strategy, one axis of accuracy for all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoal.analysis.axes import ends, mark_sizes, percent
from autoal.analysis.plots import INK, PALETTE, style_axes
from autoal.files import atomic_open

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("random", "margin", "uherding", "autoal")
"""In the order of their colours; further ones follow."""


def draw(frames: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw mean accuracy over labelled samples; the bands are standard errors over seeds.

    Only the seeds that every strategy has under every training count, so that all lines are of the same seeds.

    Args:
        frames: The rounds under each training; none: nothing is drawn.
        path: Where the PNG shall be.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not frames:
        return
    seeds = set.intersection(*(set(runs["seed"]) for f in frames.values() for _, runs in f.groupby("strategy")))
    frames = (
        {training: frame[frame["seed"].isin(seeds)] for training, frame in frames.items()} if seeds else frames
    )
    curves = {training: _curves(frame) for training, frame in frames.items()}
    found = [curve for lines in curves.values() for curve in lines.values()]
    names = [*NAMES, *sorted({name for lines in curves.values() for name in lines} - set(NAMES))]
    figure = Figure(figsize=(3.2 * len(frames) + 0.6, 3.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(frames), sharey=True, squeeze=False)[0]
    means, errors = (np.concatenate([curve[i] for curve in found]) for i in (1, 2))
    axis = ends(means, means - errors, means + errors)
    for ax, (training, lines) in zip(panels, curves.items(), strict=True):
        style_axes(ax)
        ax.set_title(training, fontsize=11, color=INK, loc="left")
        ax.set_xlabel("labelled samples", color=INK)
        ax.set_ylim(axis.low, axis.high)
        ax.yaxis.set_major_formatter(percent)
        for name, (sizes, mean, error) in lines.items():
            colour = PALETTE[names.index(name) % len(PALETTE)] if name != "random" else INK
            style = "--" if name == "random" else "-"
            ax.plot(sizes, mean, style, color=colour, marker="o", markersize=3, linewidth=1.6, label=name)
            ax.fill_between(sizes, mean - error, mean + error, color=colour, alpha=0.12, linewidth=0)
            mark_sizes(ax, sizes, room=26)
    panels[0].set_ylabel("accuracy", color=INK)
    panels[0].legend(frameon=False, fontsize=9, loc="lower right")
    with atomic_open(path, "wb") as file:
        figure.savefig(file, format="png", metadata={"Software": None})


def _curves(frame: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return sizes, mean accuracies and standard errors of each strategy."""
    lines = {}
    for name, runs in frame.groupby("strategy", sort=False):
        values = runs.groupby("n_labeled")["test_acc"]
        error = (values.std() / np.sqrt(values.count())).fillna(0.0)
        lines[str(name)] = (values.mean().index.to_numpy(), values.mean().to_numpy(), error.to_numpy())
    return lines
