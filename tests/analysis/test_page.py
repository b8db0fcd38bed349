"""The bundle of plotly.js that a page holds: the published file, small, with every kind of trace that is drawn."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import autoal.analysis
from autoal.analysis.report import Options, make_report
from tests.analysis.trees import write_tree

BUNDLE = resources.files("autoal.analysis") / "plotly"
SHA256 = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"
# What the README of plotly.js-cartesian-dist-min 4.1.1 says it draws.
DRAWN = {
    "bar", "box", "contour", "heatmap", "histogram", "histogram2d", "histogram2dcontour", "image", "pie",
    "scatter", "scatterternary", "violin",
}  # fmt: skip


def traces(item: Any) -> set[str]:
    if isinstance(item, dict):
        own = {trace["type"] for trace in item["figure"]["data"]} if item.get("type") == "chart" else set()
        return own.union(*(traces(value) for value in item.values()))
    return set().union(*(traces(value) for value in item)) if isinstance(item, list) else set()


def test_it_is_the_published_file_with_its_licence() -> None:
    assert hashlib.sha256((BUNDLE / "plotly-cartesian.min.js").read_bytes()).hexdigest() == SHA256
    assert "MIT License" in (BUNDLE / "LICENSE").read_text(encoding="utf-8")
    assert " 4.1.1" in (BUNDLE / "README.md").read_text(encoding="utf-8")


def test_the_page_is_small_and_draws_what_the_bundle_can(tmp_path: Path) -> None:
    write_tree(tmp_path / "runs", datasets=("digits", "svhn"), rounds=4, seeds=(0, 1))
    page = make_report([tmp_path / "runs"], tmp_path / "out", Options(figures=False, resamples=100)).page
    text = page.read_text(encoding="utf-8")
    assert len(text) < 2_000_000
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert match
    assert traces(json.loads(match[1])) == {"scatter", "bar", "heatmap"} <= DRAWN


def test_a_report_needs_no_plotly_for_python() -> None:
    sources = Path(autoal.analysis.__file__).parent.rglob("*.py")
    assert not [path for path in sources if re.search(r"^\s*(import|from) plotly", path.read_text(), re.MULTILINE)]
