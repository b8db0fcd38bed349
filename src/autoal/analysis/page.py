"""The page: sections as data, rendered by a small script and a bundle of plotly.js, in one file."""

from __future__ import annotations

import html
import json
from datetime import UTC, datetime
from importlib import resources

from autoal.analysis.items import PageInput
from autoal.analysis.sections_overall import notices, overall_sections
from autoal.analysis.sections_setting import setting_sections

__all__ = ["PageInput", "build_page"]


def build_page(content: PageInput) -> str:
    """Build the self-contained page.

    Args:
        content: What it shows.

    Returns:
        HTML that asks the network for nothing (its content security policy forbids it).
    """
    runs = [run for r in content.results for group in r.setting.runs.values() for run in group]
    strategies = {name for r in content.results for name in r.setting.runs}
    subtitle = (
        f"{_count(len(runs), 'run')} · {_count(len(strategies), 'strategy', 'strategies')} · "
        f"{_count(len(content.results), 'setting')} · {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
    data = {
        "notices": notices(content.problems),
        "settings": [
            {"label": r.setting.label, "sections": setting_sections(r, content)} for r in content.results
        ],
        "overall": overall_sections(content, runs),
    }
    # "<" would let a value such as "</script>" end the data block; JSON reads the escape as the same character.
    embedded = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {
        "title": html.escape(content.title),
        "subtitle": html.escape(subtitle),
        "css": _file("templates/report.css"),
        "js": _file("templates/report.js"),
        "data": embedded,
        "plotly": _file("plotly/plotly-cartesian.min.js"),
    }
    # Split at the markers instead of replacing one after another, so that no part can contain a marker.
    pieces = _file("templates/report.html").split("{{")
    page = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        page += [parts[name], rest]
    return "".join(page)


def _file(path: str) -> str:
    return (resources.files("autoal.analysis") / path).read_text(encoding="utf-8")


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
