"""One look for every strategy, the same in all figures of a report, and mostly the same in every report."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BASELINE_COLOR", "COLORS", "PHASE_COLORS", "Look", "looks"]

# Okabe-Ito and three more of like darkness: legible on white and on dark, told apart by colour-blind readers.
COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8F5BB5", "#A07C2E", "#C23B4E",
)  # fmt: skip
BASELINE_COLOR = "#808080"
# Parts of a run's time are no strategies: tones that no strategy has.
PHASE_COLORS = ("#4C5B6B", "#9DB0C2", "#D9A441", "#E8D3A2", "#C4CDD6", "#6F8F7F", "#B7CFC2")
_MARKERS = (
    ("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"), ("v", "triangle-down"),
    ("P", "cross"), ("X", "x"), ("*", "star"),
)  # fmt: skip
# Chosen so that the nine strategies of the README's table have a colour each, AutoAL's seven candidates too, and
# autoal, badge and margin the three that differ most.
_SALT = 8_802_283


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


def looks(names: Iterable[str], baseline: str | None = None, also: Iterable[str] = ()) -> dict[str, Look]:
    """Give every strategy its look.

    A name has a colour of its own, in every report. Where two of a report want the same one, the later in the
    alphabet takes the next that is free; beyond nine strategies colours come again with another marker.

    Args:
        names: All strategies of the report, in any order.
        baseline: Start of the baseline's name; it is drawn grey and dashed.
        also: Strategies that are only candidates of a search, served after the others.

    Returns:
        Strategy to look; no two are the same up to 72 strategies.
    """
    found: dict[str, Look] = {}
    taken: set[int] = set()
    crowded = []
    own, others = set(names), set(also)
    for name in [*sorted(own, key=_order), *sorted(others - own, key=_order)]:
        if baseline and name.casefold().startswith(baseline.casefold()):
            found[name] = Look(BASELINE_COLOR, True, "o", "circle")
        elif (slot := _wanted(name)) not in taken:
            taken.add(slot)
            found[name] = _look(slot)
        else:
            crowded.append(name)
    for name in crowded:
        level, start = len(taken) // len(COLORS) * len(COLORS), _wanted(name)
        slots = (level + (start + step) % len(COLORS) for step in range(len(COLORS)))
        slot = next(slot for slot in slots if slot not in taken)
        taken.add(slot)
        found[name] = _look(slot)
    return found


def _order(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _wanted(name: str) -> int:
    return zlib.crc32(f"{_SALT}:{name}".encode()) % len(COLORS)


def _look(slot: int) -> Look:
    marker, symbol = _MARKERS[slot // len(COLORS) % len(_MARKERS)]
    return Look(COLORS[slot % len(COLORS)], False, marker, symbol)
