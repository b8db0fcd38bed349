"""Tables of the studies' texts on results whose answers are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from autoal.errors import AutoALError
from tests.experiments.load import EXPERIMENTS, script

tables = script("tables")
seeds_needed = script("digits_study/seeds_needed")


def write(study: Path, setting: str, curves: dict[str, dict[int, list[float]]], recipe: str = "00aa") -> None:
    """Write results as studies collect them."""
    rows = [
        {
            "setting": setting,
            "strategy": strategy,
            "seed": seed,
            "recipe": recipe,
            "round": i,
            "n_labeled": 10 + 10 * i,
            "test_acc": acc,
            "seconds_train": 5.0,
            "seconds_pool": 1.0 if i + 1 < len(curve) else 0.0,
            "seconds_select": 2.0 if i + 1 < len(curve) else math.nan,
            "seconds_test": 9.0,
        }
        for strategy, runs in curves.items()
        for seed, curve in runs.items()
        for i, acc in enumerate(curve)
    ]
    (study / "results").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(study / "results" / f"{setting}.csv", index=False)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Margin wins by 10 points on average, k-means loses by 5, BADGE is a toss-up; entropy ended early."""
    study = tmp_path / "some_study"
    flat = {
        "random": [0.50, 0.52, 0.54, 0.56],
        "margin": [0.60, 0.61, 0.64, 0.67],
        "kmeans": [0.44, 0.48, 0.49, 0.51],
        "badge": [0.48, 0.54, 0.52, 0.58],
    }
    curves = {name: {seed: [acc] * 6 for seed, acc in enumerate(row)} for name, row in flat.items()}
    curves["entropy"] = {0: [0.9] * 4}
    write(study, "tiny", curves)
    return study


def cells(table: str) -> dict[str, list[str]]:
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows[2:]}


def test_against_sorts_by_the_interval_of_the_paired_difference(study: Path) -> None:
    assert tables.against(study, "tiny", "random").splitlines() == [
        "- above random: margin (+10.00, 4 seeds)",
        "- not told apart from random: badge (-0.00, 4 seeds)",
        "- below random: kmeans (-5.00, 4 seeds)",
    ]
    assert "No run of nobody" in tables.against(study, "tiny", "nobody")
    few = {
        name: {seed: [0.5 + seed / 10] * 3 for seed in seeds} for name, seeds in {"a": (0, 1), "b": (0,)}.items()
    }
    write(study, "few", few)
    assert "one common seed, no comparison: b" in tables.against(study, "few", "a")


def test_a_summary_says_that_some_have_fewer_seeds(study: Path) -> None:
    assert "fewer than" not in tables.summary(study, "tiny")
    write(study, "few", {"random": {0: [0.5] * 3, 1: [0.6] * 3}, "margin": {0: [0.7] * 3}})
    assert "1 strategies have fewer than 2 seeds" in tables.summary(study, "few")


def test_summary_pairs_over_seeds(study: Path) -> None:
    found = cells(tables.summary(study, "tiny"))
    assert list(found) == ["margin", "random", "badge", "kmeans"]  # by area; the run that ended early is out
    seeds, area, final, against, _, seconds = found["margin"]
    d = np.array([0.10, 0.09, 0.10, 0.11])
    interval = stats.t.interval(0.95, 3, d.mean(), stats.sem(d))
    assert (seeds, area, final) == ("4", "63.00 ± 3.16", "63.00 ± 3.16")
    assert against == f"+10.00 [{100 * interval[0]:+.2f}, {100 * interval[1]:+.2f}]"
    assert seconds == "3.00"  # pool and selection, without the last row, which holds no query
    assert found["random"][3:5] == ["", ""]


def test_verdicts_follow_the_intervals(study: Path) -> None:
    frame = tables.load(study, "tiny")
    area = tables.areas(frame)
    assert tables.verdict(tables.difference(area, "margin", "random")) == "better"
    assert tables.verdict(tables.difference(area, "kmeans", "random")) == "worse"
    assert tables.verdict(tables.difference(area, "badge", "random")) == "open"
    assert list(tables.losers(area)) == ["kmeans"]
    text = tables.checks(study, "tiny")
    assert cells(text)["margin against random"][-2:] == ["better", "as expected"]
    assert cells(text)["badge against random"][-2:] == ["open", "not shown"]
    assert "kmeans (-5.00)" in text
    assert "badge (" not in text


def test_a_contradicted_expectation_is_called_that(tmp_path: Path) -> None:
    worse = {s: [0.40 + 0.01 * s] * 6 for s in range(4)}
    write(tmp_path, "x", {"random": {s: [0.5 + 0.012 * s] * 6 for s in range(4)}, "margin": worse})
    assert cells(tables.checks(tmp_path, "x"))["margin against random"][-2:] == ["worse", "contradicted"]


def test_one_seed_is_not_tested(tmp_path: Path) -> None:
    write(tmp_path, "x", {"random": {0: [0.5] * 6}, "margin": {0: [0.4] * 6}})
    text = tables.checks(tmp_path, "x")
    assert cells(text)["margin against random"][-2:] == ["untested", "not shown"]
    assert "One seed is no comparison" in text


def test_rounds_after_the_third_alone_count_as_late(tmp_path: Path) -> None:
    write(tmp_path, "x", {"random": {0: [0.0, 0.0, 0.0, 0.0, 0.5, 0.7]}})
    assert tables.means_after(tables.load(tmp_path, "x"), 3) == {"random": {0: pytest.approx(0.6)}}


def test_losing_in_all_takes_every_setting(study: Path) -> None:
    other = study.parent / "other_study"
    both = {s: [0.3 + 0.01 * s] * 6 for s in range(4)}
    random = {s: [0.5 + 0.012 * s] * 6 for s in range(4)}
    write(other, "o", {"random": random, "kmeans": both, "margin": both})
    found = cells(tables.losing_in_all(study, "some_study/tiny", "other_study/o"))
    assert list(found) == ["kmeans"]
    assert "No results" in tables.losing_in_all(study, "some_study/tiny", "other_study/absent")


def test_mixed_recipes_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "x", {"random": {0: [0.5] * 3}})
    one = pd.read_csv(tmp_path / "results" / "x.csv", dtype={"recipe": str})
    pd.concat([one, one.assign(recipe="00bb", seed=1)]).to_csv(tmp_path / "results" / "x.csv", index=False)
    with pytest.raises(AutoALError, match=r"00aa, 00bb"):
        tables.load(tmp_path, "x")


def test_a_text_is_rewritten_between_its_markers_alone(study: Path) -> None:
    text = "before\n<!-- table: summary tiny -->\nold\n<!-- end -->\nafter\n"
    text += "<!-- table: summary nothing -->\n<!-- end -->\n"
    once = tables.rewrite(text, study)
    assert once.startswith("before\n<!-- table: summary tiny -->\n\n| strategy |")
    assert "old" not in once
    assert "\nafter\n" in once
    assert "No results of `nothing` yet; `make study STUDY=some_study`" in once
    assert tables.rewrite(once, study) == once
    with pytest.raises(AutoALError, match=r"summary"):
        tables.rewrite("<!-- table: sumary tiny -->\n<!-- end -->", study)


def test_phases_leave_empty_columns_out(study: Path) -> None:
    table = tables.phases(study, "tiny")
    assert "| strategy | train | pool | select | test | sum |" in table
    # 5 of 6 rows hold a query.
    assert cells(table)["margin"] == ["5.00", "0.83", "2.00", "9.00", "16.83"]


def test_our_numbers_stand_beside_the_published(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "fig2_final.csv").write_text(
        "dataset,method,acc,approximate\nd,autoal,87.6,no\nd,margin,86,yes\ne,margin,1,no\n"
    )
    curve = {0: [0.1, 0.5], 1: [0.1, 0.7]}
    write(tmp_path, "d", {"autoal_paper": curve, "autoal": {0: [0.1, 0.4]}})
    found = cells(tables.published(tmp_path, "fig2_final", "d"))
    assert found["margin"] == ["~86", "", ""]
    assert list(found) == ["autoal", "margin"]  # ours of the same name comes last
    rows = tables.published(tmp_path, "fig2_final", "d").splitlines()
    assert rows[2] == "| autoal | 87.6 | 60.00 ± 14.14 | 2 |"
    assert rows[-1] == "| autoal |  | 40.00 | 1 |"


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_agree_with_the_tables_of_paired_t_tests(effect: float, seeds: int) -> None:
    assert seeds_needed.seeds_needed(effect) == seeds


@pytest.mark.parametrize(("d", "seeds"), [(0.5, 64), (0.8, 26), (1.0, 17)])
def test_seeds_needed_agree_with_the_tables_of_two_sample_t_tests(d: float, seeds: int) -> None:
    # Cohen's d is in units of one group's deviation, the effect in units of the difference's.
    assert seeds_needed.seeds_needed(d / math.sqrt(2), 2) == seeds


def test_seeds_needed_at_its_ends() -> None:
    assert seeds_needed.seeds_needed(50.0) == 2
    assert seeds_needed.seeds_needed(0.001) is None
    assert seeds_needed.seeds_needed(math.inf) == 2


def test_power_agrees_with_simulation() -> None:
    draws = np.random.default_rng(1).normal(0.9, 1.0, (4000, 8))
    found = np.mean(stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05)
    assert seeds_needed.power(0.9, 8, 7) == pytest.approx(found, abs=0.03)


def test_flips_are_the_subsets_of_the_other_sign() -> None:
    # Of the four subsets of three, only those without the 3 have a negative mean: one.
    assert seeds_needed.flip_share(np.array([3.0, -1.0, -1.0, 0.5])) == 0.25
    assert seeds_needed.flip_share(np.array([1.0, 1.0, 1.0, 1.0])) == 0.0


def test_separation_of_known_differences() -> None:
    noise = [0.00, 0.05, -0.05, 0.10, -0.10, 0.02, -0.02, 0.07]
    gap = [0.010, 0.012, 0.009, 0.011, 0.010, 0.008, 0.011, 0.009]
    values = {
        "a": {s: 0.5 + n + g for s, (n, g) in enumerate(zip(noise, gap, strict=True))},
        "b": {s: 0.5 + n for s, n in enumerate(noise)},
    }
    result = seeds_needed.separate("a", "b", values)
    assert result.n == 8
    assert result.mean == pytest.approx(np.mean(gap))
    # Pairing removes the noise that both share.
    assert result.paired <= 3
    assert result.unpaired > 100
    assert result.flips == 0.0
    assert seeds_needed.separate("a", "b", {k: {0: 1.0, 1: 2.0} for k in "ab"}) is None
    same = seeds_needed.separate("a", "a", values)
    assert (same.mean, same.paired, same.unpaired) == (0.0, None, None)


def test_bootstrap_finds_what_is_always_there() -> None:
    d = np.array([0.10, 0.11, 0.09, 0.10])
    assert seeds_needed.found_share(d, 5) > 0.9
    assert seeds_needed.found_share(d - d.mean(), 5) < 0.2


def test_the_page_of_seeds_is_made_from_results(study: Path) -> None:
    text = seeds_needed.seeds(study, "some_study/tiny")
    assert cells(text)["margin - random"][:2] == ["4", "+10.00"]
    assert "Share of all 6 pairs" in text
    assert "No results" in seeds_needed.seeds(study, "some_study/absent")


@pytest.mark.parametrize("readme", sorted(EXPERIMENTS.glob("*/README.md")), ids=lambda p: p.parent.name)
def test_every_marker_of_the_texts_is_understood_and_up_to_date(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    assert tables.rewrite(text, readme.parent) == text
    assert text.count("<!-- table:") == len(tables.MARKERS.findall(text))


@pytest.mark.slow
def test_the_page_is_up_to_date() -> None:
    text = seeds_needed.TEXT.read_text(encoding="utf-8")
    kinds = {"seeds": seeds_needed.seeds}
    assert tables.rewrite(text, EXPERIMENTS / "digits_study", kinds) == text
    assert text.count("<!-- table: seeds") == 2
