"""A picture of what the search learnt: the weight of each candidate over the rounds, like the paper's Fig. 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoal.files import atomic_open

_PREFIXES = {"weight_": "mean weight", "vote_share_": "share of the votes for the chosen samples"}


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

    figure = Figure(figsize=(10, 4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, (prefix, lines) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        for name, points in lines.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
        if lines:
            axes.axhline(1 / len(lines), color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlabel="labelled samples", ylabel=_PREFIXES[prefix], ylim=(0, None))
    figure.axes[0].legend(fontsize=8, frameon=False)
    with atomic_open(path, "wb") as file:
        canvas.print_png(file)  # type: ignore[no-untyped-call]
    return path
