"""Pictures of what a strategy buys in the plane, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT, EDGE = 420, 300, 14
COLOURS = ("#9ecae1", "#fdd0a2", "#c7e9c0")
DARK = ("#2171b5", "#d94801", "#238b45")


def picture(points: Sequence[Sequence[float]], bought: Mapping[str, Any], title: str) -> str:
    """Draw the pool pale, the initial set as filled squares, the batch as rings numbered in order of choice.

    Args:
        points: ``(x, y, class)`` of each sample, by id.
        bought: ``initial`` and ``picks``, lists of ids.
        title: Said to those who can't see the picture.
    """
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    scale_x = (WIDTH - 2 * EDGE) / (max(xs) - min(xs))
    scale_y = (HEIGHT - 2 * EDGE) / (max(ys) - min(ys))

    def place(sample: int) -> tuple[float, float]:
        x, y, _ = points[sample]
        return round(EDGE + (x - min(xs)) * scale_x, 1), round(HEIGHT - EDGE - (y - min(ys)) * scale_y, 1)

    shapes = []
    for sample, point in enumerate(points):
        x, y = place(sample)
        shapes.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{COLOURS[int(point[2])]}"/>')
    for sample in bought["initial"]:
        x, y = place(sample)
        colour = DARK[int(points[sample][2])]
        shapes.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>')
    for order, sample in enumerate(bought["picks"], 1):
        x, y = place(sample)
        shapes.append(f'<circle cx="{x}" cy="{y}" r="8.5" fill="#fff" stroke="#111" stroke-width="1.6"/>')
        shapes.append(f'<text x="{x}" y="{y + 3.3:.1f}">{order}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{title}</title><style>text{{font:600 9px sans-serif;text-anchor:middle;fill:#111}}</style>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(shapes)}</svg>\n'
    )
