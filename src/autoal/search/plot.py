"""A picture of what the search learnt: the weight of each candidate over the rounds, like the paper's Fig. 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoal.analysis.axes import mark_sizes, percent
from autoal.analysis.plots import INK, style_axes
from autoal.analysis.style import looks
from autoal.files import atomic_open

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_weights", "series", "weights_figure"]

_PREFIXES = {"weight_": "mean weight", "vote_share_": "share of the votes for the chosen samples"}
_LINEAR = 0.01
_TICKS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


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


def plot_weights(
    rows: Sequence[Mapping[str, Any]], path: Path, prior: Mapping[str, float] | None = None
) -> Path | None:
    """Draw weights and vote shares of the candidates over the rounds, and the weights they start from.

    Args:
        rows: Rows of ``rounds.csv`` as mappings, with ``n_labeled``, ``weight_*`` and ``vote_share_*``.
        path: The PNG; it is replaced as a whole.
        prior: Candidate to the weight that the search starts from.

    Returns:
        The path, or None if there is nothing to draw yet.
    """
    figure = weights_figure(rows, prior)
    if figure is None:
        return None
    with atomic_open(path, "wb") as file:
        figure.savefig(file, format="png")
    return path


def weights_figure(rows: Sequence[Mapping[str, Any]], prior: Mapping[str, float] | None = None) -> Figure | None:
    """Return the figure of :func:`plot_weights`, None if there is nothing to draw yet."""
    panels = {prefix: series(rows, prefix) for prefix in _PREFIXES}
    if not any(panels.values()):
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    styles = looks(name for lines in panels.values() for name in lines)
    for ax, (prefix, lines) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        style_axes(ax)
        for name, points in lines.items():
            look, (labelled, shares) = styles[name], zip(*points, strict=True)
            ax.plot(
                labelled, shares, color=look.color, marker=look.marker, markersize=4, linewidth=1.5, label=name,
                clip_on=False, zorder=3,
            )  # fmt: skip
        if prefix == "weight_":
            _draw_prior(ax, {name: prior[name] for name in lines if name in prior} if prior else {})
        ax.set_title(_PREFIXES[prefix], fontsize=10, color=INK, loc="left")
        ax.set_xlabel("labelled samples", color=INK)
        # A prior may hold one candidate far above the others, whose differences a linear axis would hide. Below
        # one percent the axis is linear down to 0, so that every point lies where it was measured.
        ax.set_yscale("symlog", linthresh=_LINEAR, linscale=0.4)
        ax.set_ylim(0.0, 1.1)
        ax.set_yticks(_TICKS)
        ax.set_yticks([], minor=True)
        ax.yaxis.set_major_formatter(percent)
        if lines:
            mark_sizes(ax, [size for points in lines.values() for size, _ in points], room=44)
    entries = {str(line.get_label()): line for ax in figure.axes for line in ax.get_lines()}
    # Matplotlib's own names of lines that have none begin so.
    shown = {label: line for label, line in entries.items() if not label.startswith("_")}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def _draw_prior(ax: Axes, prior: Mapping[str, float]) -> None:
    """Draw each candidate's prior as a dashed line; candidates that have the same one share a grey line."""
    shared: dict[float, list[str]] = {}
    for name, value in prior.items():
        shared.setdefault(round(value, 6), []).append(name)
    colours = {str(line.get_label()): line.get_color() for line in ax.get_lines()}
    for value, names in shared.items():
        colour = colours[names[0]] if len(names) == 1 else "#777777"
        ax.axhline(value, color=colour, linestyle="--", linewidth=1.1, zorder=2)
    if shared:
        ax.plot([], [], color="#777777", linestyle="--", linewidth=1.1, label="prior, where the search starts")
