"""Where the axes of learning curves have their ticks and ends: the same in every figure and on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CUT", "Ends", "ends", "mark_sizes", "percent", "size_ticks"]

CUT = "bands go on beyond the axis"
"""What a figure says where its axis ends before a band does."""


@dataclass(frozen=True)
class Ends:
    """The ends of an accuracy axis.

    Attributes:
        low: Lower end, a fraction.
        high: Upper end, a fraction; a band may lie above 1.
        cut_low: Whether a band goes on below ``low``.
        cut_high: Whether a band goes on above ``high``.
    """

    low: float
    high: float
    cut_low: bool = False
    cut_high: bool = False

    @property
    def cut(self) -> bool:
        """Whether a band goes on beyond either end."""
        return self.cut_low or self.cut_high


def ends(means: ArrayLike, lows: ArrayLike = (), highs: ArrayLike = ()) -> Ends:
    """Choose the ends of an axis that holds all means, and their bands where these are not too wide.

    Bands may take as much room as the means and their margin; wider ones, of few seeds, would squeeze the curves
    into a stripe and are cut.

    Args:
        means: Every mean that is drawn, a fraction.
        lows: Lower edges of the bands; NaN where there is none.
        highs: Upper edges.

    Returns:
        The ends, and whether a band goes on beyond them.

    Example:
        >>> ends([0.5, 0.75], [0.375, 0.74], [0.625, 0.76])
        Ends(low=0.375, high=0.78125, cut_low=False, cut_high=False)
    """
    m = np.asarray(means, dtype=np.float64)
    margin = max(0.02, 0.125 * float(np.ptp(m)))
    low, high = max(0.0, float(m.min()) - margin), min(1.005, float(m.max()) + margin)
    room = (high - low) / 2.0
    lowest = float(np.nanmin(np.append(lows, low)))
    highest = float(np.nanmax(np.append(highs, high)))
    return Ends(max(lowest, low - room), min(highest, high + room), lowest < low - room, highest > high + room)


def size_ticks(sizes: ArrayLike, room: int) -> list[float]:
    """Choose the labelled-set sizes that get a labelled tick: as many of those measured as fit side by side.

    Args:
        sizes: The sizes that were measured, in any order.
        room: Characters that fit along the axis.

    Returns:
        Some of the sizes, ascending; the smallest and the largest are among them where both fit.

    Example:
        >>> size_ticks([40, 60, 80, 100, 120, 140, 160], room=20)
        [40.0, 80.0, 120.0, 160.0]
    """
    found = np.unique(np.asarray(sizes, dtype=np.float64))
    if found.size < 2:
        return [float(x) for x in found]
    per_character = float(found[-1] - found[0]) / room
    # The widest label counts for all, so that the labels of even steps are even steps apart.
    least = (max(len(f"{x:,.0f}") for x in found) + 1.5) * per_character

    def fits(i: int, j: int) -> bool:
        return float(found[j] - found[i]) >= least

    last = found.size - 1
    chosen = [last]
    for i in range(last - 1, 0, -1):
        if fits(i, chosen[-1]) and fits(0, i):
            chosen.append(i)
    if fits(0, chosen[-1]):
        chosen.append(0)
    return [float(found[i]) for i in reversed(chosen)]


def mark_sizes(ax: Axes, sizes: ArrayLike, room: int) -> None:
    """Put the ticks of a figure's x axis at the sizes that were measured: labels where they fit, marks at all.

    Args:
        ax: The axes.
        sizes: The sizes that were measured.
        room: Characters that fit along the axis.
    """
    x = np.unique(np.asarray(sizes, dtype=np.float64))
    shown = size_ticks(x, room)
    ax.set_xticks(shown, [f"{size:,.0f}" for size in shown])
    ax.set_xticks(x, minor=True)
    ax.tick_params(axis="x", which="minor", color="#999999")


def percent(value: float, _: object = None) -> str:
    """Format a tick of a fraction's axis; above 1 there is no accuracy, so no label.

    Example:
        >>> percent(0.925), percent(1.0), percent(1.05)
        ('92.5%', '100%', '')
    """
    return "" if value > 1.0 + 1e-9 else f"{round(100 * value, 6):g}%"
