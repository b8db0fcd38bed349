"""Heat maps reach from nothing to all, with a bar that says so, in the figures and on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoal.analysis.charts_compare import overlap_chart, penalty_chart
from autoal.analysis.heat_maps import overlap_figure, penalty_figure
from autoal.analysis.results import analyse
from autoal.analysis.settings import collect
from tests.analysis.trees import write_tree


def test_overlap_is_from_0_to_100_percent_with_a_bar(tmp_path: Path) -> None:
    write_tree(tmp_path, strategies=("random", "badge", "margin"), rounds=4, seeds=(0, 1))
    result = analyse(collect([tmp_path])[0][0], resamples=100)
    assert result.selection.overlap[0, 1] < 0.6  # the scale is not that of the values
    (trace,) = overlap_chart(result.selection)["data"]
    assert (trace["zmin"], trace["zmax"], trace["showscale"]) == (0, 1.0, True)
    assert trace["colorbar"]["tickformat"] == ".0%"
    ax, bar = overlap_figure(result).axes
    assert ax.images[0].get_clim() == (0.0, 1.0)
    bar.figure.canvas.draw()
    labels = [text.get_text() for text in bar.get_yticklabels()]
    assert (labels[0], labels[-1]) == ("0%", "100%")
    shown = {text.get_text() for text in ax.texts}
    assert f"{result.selection.overlap[0, 1]:.0%}" in shown


def test_penalties_reach_to_the_number_of_settings(tmp_path: Path) -> None:
    write_tree(tmp_path, strategies=("random", "badge"), rounds=4, seeds=(0, 1, 2))
    matrix = analyse(collect([tmp_path])[0][0], resamples=100).penalty
    (trace,) = penalty_chart(matrix)["data"]
    assert (trace["zmin"], trace["zmax"], trace["showscale"]) == (0, 1.0, True)
    ax, _ = penalty_figure(matrix).axes
    assert ax.images[0].get_clim() == pytest.approx((0.0, 1.0))
