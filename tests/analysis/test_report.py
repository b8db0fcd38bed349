"""The whole report: files, numbers that agree with each other, and what the page holds."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autoal.analysis.charts import curve_chart
from autoal.analysis.curves import aubc
from autoal.analysis.latex import escape, result_latex
from autoal.analysis.names import slugs
from autoal.analysis.report import Options, Report, make_report
from autoal.analysis.results import analyse
from autoal.analysis.settings import collect
from autoal.analysis.style import looks
from autoal.analysis.tables import format_cell
from autoal.commands import report as command
from autoal.commands.main import main
from autoal.errors import AutoALError
from tests.analysis.trees import write_run, write_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_tree(root, datasets=("digits", "fashion"), strategies=("random", "entropy", "badge", "autoal"), rounds=5)
    write_run(root / "failed", seed=9, status="failed", summary={"message": "out of memory"})
    return root


@pytest.fixture(scope="module")
def made(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(
        [tree], tmp_path_factory.mktemp("report") / "out", Options(title="A <b> & c", resamples=500)
    )


def rows(made: Report, name: str) -> list[dict[str, str]]:
    with (made.page.parent / f"{name}.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def page_data(made: Report) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', made.page.read_text(), re.S)
    assert match
    data: dict[str, Any] = json.loads(match.group(1))
    return data


def test_writes_every_file(made: Report) -> None:
    out = made.page.parent
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    for name in (
        "report.html",
        "results.csv",
        "curves.csv",
        "paired_tests.csv",
        "win_tie_loss.csv",
        "ranks.csv",
        "seconds.csv",
        "overlap.csv",
        "class_balance.csv",
        "strategy_weights.csv",
        "runs.csv",
        "settings.csv",
        "problems.csv",
        "penalty_overall.csv",
        "win_shares_overall.csv",
        "penalty_dataset_digits.csv",
        "penalty_setting_digits_mlp.csv",
        "aubc.tex",
        "final_acc.tex",
        "penalty_overall.tex",
        "figures/curves_digits_mlp.png",
        "figures/curves_digits_mlp.pdf",
        "figures/seconds_fashion_mlp.pdf",
        "figures/penalty_overall.png",
        "figures/critical_difference.pdf",
        "figures/overlap_digits_mlp.png",
    ):
        assert name in names
    assert not [name for name in names if "/." in name or name.startswith(".") or name.endswith(".tmp")]


def test_figures_are_images_and_documents(made: Report) -> None:
    for path in (made.page.parent / "figures").iterdir():
        if path.suffix == ".png":
            assert min(Image.open(path).size) > 200
        else:
            assert path.read_bytes().startswith(b"%PDF")


def test_tables_agree_with_the_runs(made: Report, tree: Path) -> None:
    runs = rows(made, "runs")
    assert len(runs) == 40
    for run in runs[::7]:
        with (Path(run["path"]) / "rounds.csv").open() as handle:
            stored = list(csv.DictReader(handle))
        area = aubc([int(r["n_labeled"]) for r in stored], [float(r["test_acc"]) for r in stored])
        assert float(run["aubc"]) == pytest.approx(area)
    badge = [float(r["aubc"]) for r in runs if r["setting"] == "digits / mlp" and r["strategy"] == "badge"]
    (result,) = [r for r in rows(made, "results") if r["setting"] == "digits / mlp" and r["strategy"] == "badge"]
    assert float(result["aubc"]) == pytest.approx(sum(badge) / 5)
    assert result["seeds"] == "5"


def test_problems_are_listed(made: Report) -> None:
    assert [(r["kind"], r["message"]) for r in rows(made, "problems")] == [("failed", "out of memory")]
    assert page_data(made)["notices"][0]["title"].endswith("1 failed")


def test_baseline_saves_nothing_against_itself(made: Report) -> None:
    by_name = {r["strategy"]: r for r in rows(made, "results") if r["setting"] == "digits / mlp"}
    assert float(by_name["random"]["label_savings"]) == 0.0
    assert float(by_name["autoal"]["label_savings"]) > 0.0
    assert float(by_name["autoal"]["labels_to_target"]) < 50


def test_weights_are_reported_for_autoal_only(made: Report) -> None:
    weights = rows(made, "strategy_weights")
    assert {r["strategy"] for r in weights} == {"autoal"}
    assert {r["column"] for r in weights} == {"weight_badge", "weight_entropy", "weight_margin"}
    first = [float(r["mean"]) for r in weights if r["setting"] == "digits / mlp" and r["n_labeled"] == "10"]
    assert sum(first) == pytest.approx(1.0, abs=1e-4)


def test_parts_of_the_search_are_not_counted_twice(tmp_path: Path) -> None:
    extra = {"seconds_votes": [1.0, 2.0, 3.0]}
    write_run(tmp_path / "a", strategy="autoal", extra=extra)
    (strategy,) = analyse(collect([tmp_path])[0][0], resamples=100).strategies
    assert list(strategy.seconds) == ["train", "pool", "search", "select", "test"]
    assert strategy.search_parts == {"votes": 6.0}


def test_the_page_asks_the_network_for_nothing(made: Report) -> None:
    text = made.page.read_text()
    assert "default-src 'none'" in text
    head = text[: text.index('<script type="application/json"')]
    assert not re.findall(r'(?:src|href)="(?!#)', head)
    assert "A &lt;b&gt; &amp; c" in head


def test_the_page_holds_every_section(made: Report) -> None:
    data = page_data(made)
    assert [s["label"] for s in data["settings"]] == ["digits / mlp", "fashion / mlp"]
    assert [s["id"] for s in data["settings"][0]["sections"]] == [
        "curves", "results", "pairs", "time", "selection", "weights", "config",
    ]  # fmt: skip
    assert [s["id"] for s in data["overall"]] == [
        "settings",
        "wins",
        "penalty",
        "shares",
        "ranks",
        "versions-section",
    ]


def test_charts_are_valid_plotly_figures(made: Report) -> None:
    go = pytest.importorskip("plotly.graph_objects")

    def charts(item: Any) -> list[dict[str, Any]]:
        if isinstance(item, dict):
            own = [item["figure"]] if item.get("type") == "chart" else []
            return own + [c for value in item.values() for c in charts(value)]
        return [c for value in item for c in charts(value)] if isinstance(item, list) else []

    found = charts(page_data(made))
    assert len(found) > 10
    for chart in found:
        go.Figure(chart)


def test_a_figure_names_the_best_and_the_baseline_of_very_many(tmp_path: Path) -> None:
    from autoal.analysis.figures import MOST_NAMED, curve_figure

    names = ["random", *(f"s{i:02d}" for i in range(20))]
    write_tree(tmp_path, strategies=names, seeds=(0, 1), rounds=4)
    result = analyse(collect([tmp_path])[0][0], resamples=100)
    (ax,) = curve_figure(result, looks(names, "random")).axes
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    best = sorted(result.strategies, key=lambda s: -s.aubc[0])
    named = {s.name for s in best[: MOST_NAMED - 1]} | {"random"}
    assert set(shown[:-1]) == named
    assert shown[-1] == f"{len(names) - len(named)} others"
    assert len(ax.get_lines()) == len(names)
    assert len({(line.get_color(), line.get_marker()) for line in ax.get_lines()}) == len(named) + 1


def test_text_from_runs_cannot_end_the_data_block(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    write_run(tmp_path / "runs" / "a", strategy=evil, dataset="{{js}}")
    made = make_report([tmp_path / "runs"], tmp_path / "out", Options(figures=False))
    text = made.page.read_text()
    assert evil not in text
    table = page_data(made)["settings"][0]["sections"][1]["items"][0]
    assert table["rows"][0][0] == evil


def test_one_strategy_one_seed_says_that_no_test_is_possible(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a")
    made = make_report([tmp_path / "runs"], tmp_path / "one", Options(figures=False))
    assert "a comparison needs two" in json.dumps(page_data(made))
    write_run(tmp_path / "runs" / "b", strategy="badge")
    made = make_report([tmp_path / "runs"], tmp_path / "two", Options(figures=False))
    text = json.dumps(page_data(made))
    assert "No two strategies have two seeds in common: no test is possible" in text
    assert "one common seed: no test is possible" in text
    assert "needs at least 2 data sets" in text
    assert rows(made, "paired_tests")[0]["verdict"] == "untested"


@pytest.mark.slow
def test_a_report_written_again_is_the_same(tree: Path, made: Report, tmp_path: Path) -> None:
    again = make_report([tree], tmp_path, Options(title="A <b> & c", resamples=500))
    for path in made.page.parent.rglob("*"):
        if path.suffix in (".csv", ".tex", ".png", ".pdf"):
            assert path.read_bytes() == (tmp_path / path.relative_to(made.page.parent)).read_bytes()
    assert page_data(again) == page_data(made)


def test_latex(tree: Path) -> None:
    result = analyse(collect([tree])[0][0], resamples=100)
    text = result_latex([result], "aubc", "AUBC")
    assert text.count("\\textbf{") == 1
    assert r"\toprule" in text
    best = max(result.strategies, key=lambda s: s.aubc[0])
    assert f"{best.name} & \\textbf{{{100 * best.aubc[0]:.2f}}}" in text
    assert escape("a_b & 5%") == r"a\_b \& 5\%"


def test_latex_calls_nothing_equal_below_five_seeds(tmp_path: Path) -> None:
    # 71.4 against 88.1: three seeds with a noisy difference give p > 0.05 after Holm.
    accuracies = {"random": (0.60, 0.714, 0.82), "badge": (0.88, 0.881, 0.882), "margin": (0.87, 0.88, 0.86)}
    for seeds in (3, 5):
        for name, values in accuracies.items():
            for seed in range(seeds):
                acc = (0.5, values[seed % 3] + 0.001 * seed)
                write_run(tmp_path / str(seeds) / name / str(seed), strategy=name, seed=seed, acc=acc)
    text = {n: result_latex([analyse(collect([tmp_path / str(n)])[0][0])], "final_acc", "Final") for n in (3, 5)}
    assert r"\underline" not in text[3]
    assert "Fewer than 5 seeds in common with the best: too few for a test" in text[3]
    assert "\\underline{" in text[5]
    assert "underlined: not significantly different" in text[5]
    assert "Fewer than" not in text[5]


def test_long_curves_are_thinned_in_the_page_only(tmp_path: Path) -> None:
    for name in ("random", "badge"):
        write_run(tmp_path / name, strategy=name, acc=[0.5 + i / 2000 for i in range(900)], ledger=False)
    result = analyse(collect([tmp_path])[0][0], resamples=100)
    chart = curve_chart(result, looks(["badge", "random"]))
    assert max(len(trace["x"]) for trace in chart["data"]) <= 201
    assert result.strategies[0].curve.sizes.size == 900


def test_looks_and_names() -> None:
    names = [f"s{i}" for i in range(20)] + ["RandomSampling"]
    found = looks(names, "random")
    assert found["RandomSampling"].dashed
    assert len({(look.color, look.marker) for look in found.values()}) == 21
    assert slugs(["a / b", "a_b", "…"]) == ["a_b", "a_b-2", "setting"]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "percent", "–"),
        (float("nan"), "number", "–"),
        (0.12345, "percent", "12.35"),
        (-0.01, "points", "−1.00"),
        (float("-inf"), "signed", "−∞"),
        (0.00001, "p", "<0.001"),
        (12345.6, "number", "12,346"),
        (1500, "int", "1,500"),
    ],
)
def test_format_cell(value: float | None, kind: str, text: str) -> None:
    assert format_cell(value, kind) == text


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_command(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tree), "--out", str(tmp_path / "out"), "--no-figures", "--resamples", "200"]
    assert command.run(parse(*arguments)) == 0
    shown = capsys.readouterr()
    assert "digits / mlp: 4 strategies, 5 seeds; best mean AUBC" in shown.out
    assert "failed: " in shown.err
    assert not (tmp_path / "out" / "figures").exists()
    assert command.run(parse(*arguments, "--strict")) == 1


def test_command_refuses_bad_values(capsys: pytest.CaptureFixture[str]) -> None:
    for bad in (["--alpha", "5"], ["--alpha", "x"], ["--resamples", "3"]):
        with pytest.raises(SystemExit):
            parse("runs", "--out", "o", *bad)
    assert "is not a number between 0 and 1" in capsys.readouterr().err


def test_a_baseline_that_did_not_run_is_one_line(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", str(tree), "--out", str(tmp_path / "out"), "--no-figures"]
    monkeypatch.setattr(sys, "argv", ["autoal", *words, "--baseline", "nosuch"])
    assert main() == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1] == "error: unknown --baseline 'nosuch'. Valid: autoal, badge, entropy, random"
    assert not any("error" in line for line in lines[:-1])
    assert not (tmp_path / "out").exists()


def test_without_a_baseline_random_may_be_missing(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "b", strategy="badge")
    made = make_report([tmp_path / "runs"], tmp_path / "out", Options(figures=False))
    assert any("no strategy starts with 'random'" in str(problem) for problem in made.problems)
    made = make_report([tmp_path / "runs"], tmp_path / "own", Options(figures=False, baseline="BAD"))
    assert made.results[0].baseline == "badge"
    assert made.problems == []


def test_out_that_cannot_be_written(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AutoALError, match="is a file"):
        make_report([tree], tmp_path / "file", Options(figures=False))
    with pytest.raises(AutoALError, match="cannot write the report"):
        make_report([tree], tmp_path / "file" / "below", Options(figures=False))


def test_progress_is_plain_lines_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from autoal.analysis.progress import track

    assert list(track(range(200), "reading runs")) == list(range(200))
    assert capsys.readouterr().err.splitlines()[:2] == ["reading runs: 0/200", "reading runs: 50/200"]
    assert list(track(range(3), "quick")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
