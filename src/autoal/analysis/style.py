"""One look for every strategy, the same in all figures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BASELINE_COLOR", "COLORS", "Look", "looks"]

# Okabe-Ito and three more of like darkness: legible on white and on dark, told apart by colour-blind readers.
COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8F5BB5", "#A07C2E", "#C23B4E",
)  # fmt: skip
BASELINE_COLOR = "#808080"
_MARKERS = (("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"))


@dataclass(frozen=True)
class Look:
    """How a strategy is drawn.

    Attributes:
        color: Hex colour.
        dashed: Whether the line is dashed (the baseline).
        marker: Matplotlib's name of the marker.
        symbol: Plotly's name of the marker.
    """

    color: str
    dashed: bool
    marker: str
    symbol: str


def looks(names: Sequence[str], baseline: str | None = None) -> dict[str, Look]:
    """Give every strategy its look.

    Args:
        names: All strategies of the report, in a fixed order.
        baseline: Start of the baseline's name; it is drawn grey and dashed.

    Returns:
        Strategy to look; colours repeat after nine strategies, with another marker.
    """
    found: dict[str, Look] = {}
    plain = 0
    for name in names:
        if baseline and name.casefold().startswith(baseline.casefold()):
            found[name] = Look(BASELINE_COLOR, True, "o", "circle")
            continue
        marker, symbol = _MARKERS[plain // len(COLORS) % len(_MARKERS)]
        found[name] = Look(COLORS[plain % len(COLORS)], False, marker, symbol)
        plain += 1
    return found
