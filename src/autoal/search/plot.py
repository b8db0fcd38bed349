"""A picture of what the search learnt: the weight of each candidate over the rounds, like the paper's Fig. 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoal.analysis.plots import INK, PALETTE, style_axes
from autoal.files import atomic_open

_PREFIXES = {"weight_": "mean weight", "vote_share_": "share of the votes for the chosen samples"}
_LOWEST = 0.01


def series(rows: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, list[tuple[float, float]]]:
    """Collect (labelled samples, value) of each candidate from rows of ``rounds.csv``.

    Args:
        rows: One mapping per round; cells may be empty or text.
        prefix: ``"weight_"`` or ``"vote_share_"``.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for key, value in row.items():
            if not key.startswith(prefix) or value in ("", None):
                continue
            number = float(value)
            if number == number:
                found.setdefault(key.removeprefix(prefix), []).append((float(row["n_labeled"]), number))
    return found


def plot_weights(rows: Sequence[Mapping[str, Any]], path: Path) -> Path | None:
    """Draw weights and vote shares of the candidates over the rounds.

    Args:
        rows: Rows of ``rounds.csv`` as mappings, with ``n_labeled``, ``weight_*`` and ``vote_share_*``.
        path: The PNG; it is replaced as a whole.

    Returns:
        The path, or None if there is nothing to draw yet.
    """
    panels = {prefix: series(rows, prefix) for prefix in _PREFIXES}
    if not any(panels.values()):
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, NullFormatter

    figure = Figure(figsize=(9.6, 4.4), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    for ax, (prefix, lines) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        style_axes(ax)
        for name, points in lines.items():
            look = PALETTE[names.index(name) % len(PALETTE)]
            labelled, shares = zip(*points, strict=True)
            # What is next to nothing lies on the lower edge instead of stretching the axis.
            heights = [max(share, _LOWEST) for share in shares]
            ax.plot(labelled, heights, color=look, marker="o", markersize=3.5, linewidth=1.5, label=name)
        ax.axhline(1 / len(names), color="0.5", linewidth=1, linestyle=":", label="equal shares")
        ax.set_title(_PREFIXES[prefix], fontsize=10, color=INK, loc="left")
        ax.set_xlabel("labelled samples", color=INK)
        # A prior may hold one candidate far above the others, whose differences a linear axis would hide.
        ax.set_yscale("log")
        ax.set_ylim(_LOWEST * 0.9, 1.15)
        ax.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
        ax.yaxis.set_major_formatter(lambda share, _: f"{'≤ ' if share <= _LOWEST else ''}{share:.0%}")
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    lines_of = {str(line.get_label()): line for ax in figure.axes for line in ax.get_lines()}
    handles, labels = list(lines_of.values()), list(lines_of)
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    with atomic_open(path, "wb") as file:
        canvas.print_png(file)  # type: ignore[no-untyped-call]
    return path
