"""Axes: ticks where something was measured, ends that never cut a band in silence."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from autoal.analysis.axes import CUT, ends, percent, size_ticks
from autoal.analysis.charts import curve_chart
from autoal.analysis.figures import curve_figure
from autoal.analysis.results import analyse
from autoal.analysis.settings import collect
from autoal.analysis.style import looks
from tests.analysis.trees import write_run


@pytest.mark.parametrize("room", [5, 12, 30, 80])
@pytest.mark.parametrize("sizes", [range(40, 260, 20), [10, 20, 50, 100, 1000, 5000], [7], [100, 25000]])
def test_ticks_are_sizes_that_were_measured_and_do_not_overlap(sizes: list[int], room: int) -> None:
    ticks = size_ticks(sizes, room)
    assert set(ticks) <= set(sizes)
    assert max(sizes) in ticks
    per_character = (max(sizes) - min(sizes)) / room
    for left, right in pairwise(ticks):
        assert right - left >= (len(f"{left:,.0f}") + len(f"{right:,.0f}")) / 2 * per_character


def test_every_size_has_its_tick_where_there_is_room() -> None:
    assert size_ticks(range(40, 260, 20), 95) == list(range(40, 260, 20))


def test_a_band_is_within_the_axis_or_said_to_be_cut() -> None:
    means = np.array([0.7, 0.8, 0.9])
    narrow = ends(means, means - 0.08, means + 0.08)
    assert (narrow.low, narrow.high, narrow.cut) == (pytest.approx(0.62), pytest.approx(0.98), False)
    # Over 100 %: the band is shown whole, and the axis has no label there.
    high = ends([0.9, 0.99], [0.88, 0.97], [0.92, 1.01])
    assert high.high == pytest.approx(1.01)
    assert not high.cut
    assert percent(1.01) == ""
    wide = ends(means, means - 0.5, means + 0.1)
    assert wide.cut_low
    assert not wide.cut_high
    assert 0.5 < wide.low < 0.675
    none = ends(means, [math.nan], [math.nan])
    assert (none.low, none.high, none.cut) == (pytest.approx(0.675), pytest.approx(0.925), False)


def test_the_figure_and_the_chart_say_that_a_band_is_cut(tmp_path: Path) -> None:
    for seed, shift in enumerate((-0.1, 0.1)):  # two seeds: the interval is 12.7 standard errors wide
        write_run(tmp_path / str(seed), seed=seed, acc=[0.5, 0.6 + shift, 0.7], ledger=False)
    result = analyse(collect([tmp_path])[0][0], resamples=100)
    styles = looks(["random"])
    for band, cut in (("ci", True), ("sd", False), ("se", False)):
        (ax,) = curve_figure(result, styles, band).axes
        drawn = ax.collections[0].get_paths()[0].get_extents()
        low, high = ax.get_ylim()
        assert any(CUT in text.get_text() for text in ax.texts) == cut
        assert (low <= drawn.y0 and drawn.y1 <= high) == (not cut)
        assert set(ax.get_xticks()) <= {10.0, 20.0, 30.0}
        chart = curve_chart(result, styles, band)
        assert any(CUT in note["text"] for note in chart["layout"]["annotations"]) == cut
        assert chart["layout"]["xaxis"]["tickvals"] == [10.0, 20.0, 30.0]
        (area,) = (trace for trace in chart["data"] if trace["meta"] == "band")
        half = {"sd": 0.1 * 2**0.5, "se": 0.1, "ci": 0.1 * 12.7062}[band]
        assert max(area["y"]) == pytest.approx(0.6 + half, abs=1e-4)
