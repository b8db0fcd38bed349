"""Figures fit for a paper: drawn with matplotlib, written as PNG and PDF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoal.analysis.axes import CUT, ends, mark_sizes, percent
from autoal.analysis.curves import FloatArray
from autoal.analysis.plots import INK, style_axes
from autoal.analysis.ranks import RankTest
from autoal.analysis.results import SettingResult
from autoal.analysis.style import PHASE_COLORS, Look
from autoal.files import atomic_open

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RC", "cd_figure", "curve_figure", "new_figure", "save_figure", "seconds_figure"]

# Text stays text in the PDF (fonttype 42), so that a publisher's checks pass and it can be searched.
RC: Any = {"pdf.fonttype": 42, "font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9, "legend.fontsize": 8}

MOST_NAMED = 12
"""Curves that one figure can tell apart; the others are drawn in grey."""


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as ``.png`` (200 dpi) and ``.pdf``, each atomically.

    Args:
        figure: The figure.
        stem: Path without suffix.

    Returns:
        The files.
    """
    import matplotlib

    paths = []
    with matplotlib.rc_context(RC):
        for suffix in ("png", "pdf"):
            path = stem.with_name(f"{stem.name}.{suffix}")
            # Without a creation date two reports of the same runs are the same files.
            metadata: dict[str, Any] = {"CreationDate": None} if suffix == "pdf" else {}
            with atomic_open(path, "wb") as file:
                # Tight, so that a long strategy name outside the axes is never cut.
                figure.savefig(
                    file, format=suffix, dpi=200, metadata=metadata, bbox_inches="tight", pad_inches=0.03
                )
            paths.append(path)
    return paths


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, which belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No layout engine: files are cut to what is drawn, and solving a layout would double the time of a figure.
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def curve_figure(result: SettingResult, styles: Mapping[str, Look], band: str = "ci", level: float = 95) -> Figure:
    """Mean learning curves of a setting with their bands; of very many, the best in colour.

    Args:
        result: The setting.
        styles: Strategy to look.
        band: What the bands show, a name of :data:`~autoal.analysis.bands.BANDS`.
        level: Percent that an interval covers.

    Returns:
        The figure; if its y axis ends before a band does, it says so.
    """
    import matplotlib

    with matplotlib.rc_context(RC):
        many = len(result.strategies) > 6
        figure = new_figure(5.6 if many else 4.4, 3.3)
        ax = figure.add_subplot()
        style_axes(ax)
        named = _named(result, styles)
        others = [s for s in result.strategies if s.name not in named]
        lows: list[FloatArray] = []
        highs: list[FloatArray] = []
        # Best last round first in the legend, as the curves end from top to bottom.
        for s in sorted((s for s in result.strategies if s.name in named), key=lambda s: -s.final[0]):
            look = styles[s.name]
            ax.plot(
                s.curve.sizes, s.curve.mean, color=look.color, linestyle="--" if look.dashed else "-",
                marker=look.marker, markersize=3, linewidth=1.3, label=s.name,
            )  # fmt: skip
            half = s.curve.spread(band)
            if np.isfinite(half).any():
                low, high = s.curve.mean - half, s.curve.mean + half
                ax.fill_between(s.curve.sizes, low, high, color=look.color, alpha=0.13, linewidth=0)
                lows, highs = [*lows, low], [*highs, high]
        for i, s in enumerate(others):
            label = None if i else f"{len(others)} others"
            ax.plot(s.curve.sizes, s.curve.mean, color="#d0d0d0", linewidth=0.8, zorder=1, label=label)
        means = np.concatenate([s.curve.mean for s in result.strategies])
        shown = ends(means, np.concatenate([[np.nan], *lows]), np.concatenate([[np.nan], *highs]))
        ax.set_ylim(shown.low, shown.high)
        for cut, mark, y, side in ((shown.cut_high, "▲", 0.99, "top"), (shown.cut_low, "▼", 0.01, "bottom")):
            if cut:
                ax.text(0.01, y, f"{mark} {CUT}", transform=ax.transAxes, va=side, fontsize=7, color=INK)
        ax.set_title(result.setting.label, loc="left", color=INK)
        ax.set_xlabel("labelled samples")
        what = {"sd": "mean ± sd", "se": "mean ± se", "ci": f"mean, {level:g}% interval"}[band]
        ax.set_ylabel(f"test accuracy, {what}" if lows else "test accuracy")
        ax.yaxis.set_major_formatter(percent)
        mark_sizes(ax, np.concatenate([s.curve.sizes for s in result.strategies]), room=44)
        if many:
            ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        else:
            ax.legend(frameon=False, loc="lower right")
    return figure


def _named(result: SettingResult, styles: Mapping[str, Look]) -> set[str]:
    """Choose the strategies that a figure can tell apart: the best by AUBC, and the baseline."""
    if len(result.strategies) <= MOST_NAMED:
        return {s.name for s in result.strategies}
    best = sorted(result.strategies, key=lambda s: -s.aubc[0])[: MOST_NAMED - 1]
    return {s.name for s in best} | {name for name, look in styles.items() if look.dashed}


def seconds_figure(result: SettingResult) -> Figure:
    """Stacked bars of the mean seconds per run and phase.

    Args:
        result: The setting; at least one strategy has measured seconds.

    Returns:
        The figure.
    """
    import matplotlib

    with matplotlib.rc_context(RC):
        rows = sorted((s for s in result.strategies if s.seconds), key=lambda s: sum(s.seconds.values()))
        figure = new_figure(4.8, 1.3 + 0.26 * len(rows))
        ax = figure.add_subplot()
        style_axes(ax)
        phases = list(dict.fromkeys(phase for s in rows for phase in s.seconds))
        left = np.zeros(len(rows))
        for phase, color in zip(phases, PHASE_COLORS * 3, strict=False):
            width = np.array([s.seconds.get(phase, 0.0) for s in rows])
            ax.barh(range(len(rows)), width, left=left, color=color, height=0.7, label=phase)
            left += width
        ax.set_yticks(range(len(rows)), [s.name for s in rows])
        ax.grid(False, axis="y")
        ax.set_xlabel("seconds per run")
        ax.set_title(result.setting.label, loc="left", color=INK)
        ax.legend(frameon=False, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def cd_figure(test: RankTest) -> Figure:
    """Critical-difference diagram: mean ranks, joined where Nemenyi's test sees no difference.

    Args:
        test: A rank test that was possible.

    Returns:
        The figure.
    """
    import matplotlib

    with matplotlib.rc_context(RC):
        k = len(test.names)
        order = sorted(range(k), key=lambda i: test.mean_ranks[i])
        half = (k + 1) // 2
        step, bar = 0.23, 0.13
        depth = 0.25 + bar * len(test.groups)
        figure = new_figure(6.0, 1.0 + depth + step * half)
        ax = figure.add_subplot()
        ax.set_axis_off()
        # Room for names on both sides; rank 1 (best) is on the left.
        ax.set_xlim(1 - 0.36 * (k - 1), k + 0.36 * (k - 1))
        ax.set_ylim(-(depth + step * half), 0.75)
        ax.plot([1, k], [0, 0], color=INK, linewidth=1)
        for tick in range(1, k + 1):
            ax.plot([tick, tick], [0, 0.07], color=INK, linewidth=1)
            ax.text(tick, 0.1, str(tick), ha="center", va="bottom", color=INK)
        ax.plot([1, 1 + test.cd], [0.5, 0.5], color=INK, linewidth=1.4, marker="|", markersize=6)
        ax.text(1 + test.cd / 2, 0.53, f"CD = {test.cd:.2f}", ha="center", va="bottom", color=INK)
        for place, i in enumerate(order):
            left = place < half
            row = place if left else k - 1 - place
            y = -(depth + step * row)
            x_end = 1 - 0.04 * (k - 1) if left else k + 0.04 * (k - 1)
            rank = test.mean_ranks[i]
            ax.plot([rank, rank, x_end], [0, y, y], color="#777777", linewidth=0.9)
            text = f"{test.names[i]}  {rank:.2f}" if left else f"{rank:.2f}  {test.names[i]}"
            pad = -0.015 * (k - 1) if left else 0.015 * (k - 1)
            ax.text(x_end + pad, y, text, ha="right" if left else "left", va="center", color=INK)
        for line, group in enumerate(test.groups):
            ranks = [test.mean_ranks[i] for i in group]
            y = -(0.14 + bar * line)
            ax.plot(
                [min(ranks) - 0.03, max(ranks) + 0.03],
                [y, y],
                color="#0072B2",
                linewidth=3,
                solid_capstyle="round",
            )
    return figure
