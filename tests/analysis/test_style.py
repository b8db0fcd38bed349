"""One colour per strategy, in every picture of a report."""

from __future__ import annotations

from pathlib import Path

from autoal.analysis.charts import curve_chart, difference_chart, weight_chart
from autoal.analysis.charts_compare import class_chart
from autoal.analysis.figures import curve_figure
from autoal.analysis.report import candidates
from autoal.analysis.results import analyse
from autoal.analysis.settings import collect
from autoal.analysis.style import BASELINE_COLOR, COLORS, PHASE_COLORS, looks
from autoal.search.plot import weights_figure
from tests.analysis.trees import write_tree

README = [
    "entropy", "kcenter", "badge", "margin", "diverse_minibatch", "alfamix", "autoal_paper", "autoal_equal",
    "autoal",
]  # fmt: skip


def test_the_readmes_strategies_keep_their_colours_whoever_else_is_there() -> None:
    every = looks(["random", *README], "random")
    assert every["random"].color == BASELINE_COLOR
    assert {every[name].color for name in README} == set(COLORS)
    for name in README:
        assert looks([name, "random"], "random")[name] == every[name]


def test_a_candidate_takes_no_strategys_colour() -> None:
    for candidate in (f"a{i}" for i in range(40)):
        found = looks(["margin"], also=[candidate])
        assert found["margin"] == looks(["margin"])["margin"]
        assert found[candidate].color != found["margin"].color


def test_no_two_are_the_same_and_order_does_not_matter() -> None:
    names = [f"s{i}" for i in range(72)]
    found = looks(names)
    assert len({(look.color, look.marker) for look in found.values()}) == 72
    assert len({(look.color, look.symbol) for look in found.values()}) == 72
    assert looks(reversed(names)) == found


def test_phases_of_time_have_no_strategys_colour() -> None:
    assert not set(PHASE_COLORS) & {*COLORS, BASELINE_COLOR}


def test_a_strategy_has_one_colour_in_every_picture(tmp_path: Path) -> None:
    write_tree(tmp_path, rounds=4, seeds=(0, 1))
    result = analyse(collect([tmp_path])[0][0], resamples=100)
    assert candidates([result]) == {"entropy", "margin", "badge"}
    styles = looks(result.setting.strategies, "random", candidates([result]))
    curves = curve_chart(result, styles)
    means = {t["name"]: t["line"]["color"] for t in curves["data"] if t["meta"] == "mean"}
    lines = {line.get_label(): line.get_color() for line in curve_figure(result, styles).axes[0].get_lines()}
    bars = {t["name"]: t["marker"]["color"] for t in class_chart(result.selection, styles)["data"]}
    chart = difference_chart(result, styles)
    assert chart is not None
    (points,) = chart["data"]
    differences = dict(zip(points["y"], points["marker"]["color"], strict=True))
    autoal = next(s for s in result.strategies if s.name == "autoal")
    weights = {t["name"]: t["line"]["color"] for t in weight_chart(autoal, "weight_", "weight", styles)["data"]}
    assert set(weights) == {"entropy", "margin", "badge"}
    for found in (means, lines, bars, differences, weights):
        assert found == {name: styles[name].color for name in found}


def test_a_runs_own_picture_of_the_weights_has_the_same_colours() -> None:
    row = {"n_labeled": 40, "weight_margin": 0.5, "weight_badge": 0.5}
    figure = weights_figure([row])
    assert figure is not None
    lines = {str(line.get_label()): line.get_color() for line in figure.axes[0].get_lines()}
    assert lines == {name: looks(README)[name].color for name in ("margin", "badge")}


def test_the_page_draws_the_weights_that_the_search_starts_from(tmp_path: Path) -> None:
    root = write_tree(tmp_path, strategies=("random", "autoal"), seeds=(0, 1))
    for folder in (root / "digits" / "mlp" / "autoal").rglob("seed=*/*"):
        config = folder / ".hydra" / "config.yaml"
        config.parent.mkdir(exist_ok=True)
        config.write_text("strategy:\n  name: autoal\n  prior: {margin: 0.75}\n")
    (autoal,) = (s for s in analyse(collect([root])[0][0], resamples=100).strategies if s.name == "autoal")
    assert autoal.prior == {"badge": 0.125, "entropy": 0.125, "margin": 0.75}
    styles = looks(["random", "autoal", "badge", "entropy", "margin"], "random")
    lines = {
        t["name"]: t for t in weight_chart(autoal, "weight_", "weight", styles)["data"] if t["mode"] == "lines"
    }
    assert {name: line["y"] for name, line in lines.items()} == {
        "prior of margin": [0.75, 0.75],
        "prior of 2 candidates": [0.125, 0.125],
    }
    assert lines["prior of margin"]["line"] == {"color": styles["margin"].color, "width": 1.1, "dash": "dash"}
