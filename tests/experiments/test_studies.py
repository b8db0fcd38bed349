"""The studies' scripts and commands name things that exist, and agree with each other."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from autoal.config.command_line import choices, conf_dir
from autoal.run.study import every_strategy, split_overrides
from autoal.run.study_results import collect, recorded
from autoal.run.study_runs import Setting, study_runs
from autoal.rundir.recipe import recipe_hash
from experiments.small import CONTROLS
from tests.composed import composed, plain
from tests.experiments.load import EXPERIMENTS, script

STUDIES = (
    *("autoal_icml25", "alfamix_cvpr22", "deepal"),
    *("mnist_study", "digits_study", "baselines_study", "cifar10_jpeg", "autoal_study", "foundation_study"),
    "semi_supervised_study",
)
PUBLISHED = EXPERIMENTS / "autoal_icml25" / "published"
TEXTS = [EXPERIMENTS / name / "README.md" for name in STUDIES]
FIFTEEN = (
    *("autoal_paper", "least_confidence", "margin", "entropy", "kmeans", "bald", "var_ratio", "mean_std", "badge"),
    *("loss_prediction", "vaal", "kcenter", "ensemble_var_ratio", "ddu", "albl"),
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def commands() -> list[str]:
    found = []
    for text in TEXTS:
        for block in re.findall(r"```bash\n(.*?)```", text.read_text(encoding="utf-8"), re.DOTALL):
            found += [line for line in block.splitlines() if line.startswith("python train.py")]
    return found


def test_every_study_has_a_run_module() -> None:
    """``make study STUDY=<name>`` works for every folder but the benchmarks."""
    folders = {path.parent.name for path in EXPERIMENTS.glob("*/__init__.py")} - {"benchmarks"}
    assert folders == set(STUDIES)
    assert {path.parent.name for path in EXPERIMENTS.glob("*/run.py")} == folders


def test_experiment_files_stand_in_conf() -> None:
    assert not list(EXPERIMENTS.rglob("*.yaml"))
    assert not [path for path in conf_dir().rglob("*") if path.is_symlink()]
    assert {path.suffix for path in conf_dir().rglob("*") if path.is_file()} == {".yaml"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*(f"{name}/run" for name in STUDIES), "autoal_study/develop"])
def test_every_setting_of_a_study_composes(name: str) -> None:
    settings = script(name).SETTINGS
    assert settings
    assert len({s.name for s in settings}) == len(settings)
    for setting in settings:
        labels = [s if isinstance(s, str) else s[0] for s in setting.strategies]
        assert len(labels) == len(set(labels))
        assert {s for s in setting.strategies if isinstance(s, str)} <= set(choices("strategy"))
        first = [run for run in study_runs([setting]) if run.seed == setting.seeds[0]]
        # One plain strategy, and every one with options of its own.
        for run in first[:1] + [r for r in first[1:] if r.label not in setting.strategies]:
            assert composed(*run.overrides).seed == run.seed


@pytest.mark.parametrize("name", ["mnist_study", "digits_study"])
def test_the_measured_studies_leave_no_strategy_out(name: str) -> None:
    (setting,) = script(f"{name}/run").SETTINGS
    labels = [s if isinstance(s, str) else s[0] for s in setting.strategies if s not in CONTROLS]
    assert sorted(labels) == sorted(choices("strategy"))
    assert labels[0] == "random"
    assert set(labels[-3:]) == {"ensemble_var_ratio", "adversarial_deepfool", "adversarial_bim"}


def test_the_baselines_are_runs_of_the_measured_studies() -> None:
    whole = {
        script(f"{name}/run").SETTINGS[0].name: script(f"{name}/run") for name in ("digits_study", "mnist_study")
    }
    baselines = script("baselines_study/run")
    assert [s.name for s in baselines.SETTINGS] == ["digits", "mnist"]
    for setting in baselines.SETTINGS:
        assert len(setting.strategies) == len(baselines.STRATEGIES)
        assert setting.strategies[0] == "random"
        assert set(study_runs([setting])) <= {
            replace(cell, setting=setting) for cell in study_runs(whole[setting.name].SETTINGS)
        }


def test_the_papers_fifteen_methods_are_in_the_sweep_the_study_and_the_published_table() -> None:
    study = script("autoal_icml25/run")
    assert set(FIFTEEN) <= set(study.METHODS)
    published = {row["method"].replace("autoal", "autoal_paper") for row in rows(PUBLISHED / "fig2_final.csv")}
    assert published == set(FIFTEEN)
    (sweep,) = [c for c in commands() if "autoal_paper,least_confidence" in c]
    assert set(re.search(r"strategy=(\S+)", sweep)[1].split(",")) == set(study.METHODS)


def test_published_curves_lie_on_the_budgets_of_the_experiments() -> None:
    for dataset in script("autoal_icml25/run").DATASETS:
        loop = composed(f"+experiment=autoal_icml25/{dataset}").loop
        sizes = [loop.n_init + i * loop.n_query for i in range(loop.n_rounds + 1)]
        curve = [row for row in rows(PUBLISHED / "fig2_autoal_curves.csv") if row["dataset"] == dataset]
        assert [int(row["n_labeled"]) for row in curve] == sizes
        final = next(
            row
            for row in rows(PUBLISHED / "fig2_final.csv")
            if (row["dataset"], row["method"]) == (dataset, "autoal")
        )
        assert curve[-1]["acc"] == final["acc"]
        # The shares of the figure's axis: the last is that of the whole budget.
        train = sizes[-1] / float(curve[-1]["percent"]) * 100
        assert all(abs(int(r["n_labeled"]) / train - float(r["percent"]) / 100) < 0.001 for r in curve)


def test_words_after_two_dashes_are_overrides() -> None:
    assert split_overrides(["--jobs", "2", "--", "a=1", "b=2"]) == (["--jobs", "2"], ["a=1", "b=2"])
    assert split_overrides(["--jobs", "2"]) == (["--jobs", "2"], [])


def test_every_strategy_is_there_once_and_random_first() -> None:
    names = [name for name in every_strategy() if isinstance(name, str)]
    assert sorted(names) == sorted(choices("strategy"))
    assert names[0] == "random"
    assert names.index("margin") < names.index("autoal_search") < names.index("adversarial_bim")
    assert ("vaal", "strategy.width=8") in every_strategy({"vaal": ["strategy.width=8"]})


def test_the_arms_of_the_search_study_have_results_of_todays_recipe() -> None:
    for module in ("run", "develop"):
        for setting in script(f"autoal_study/{module}").SETTINGS:
            labels = {s if isinstance(s, str) else s[0] for s in setting.strategies}
            found = rows(EXPERIMENTS / "autoal_study" / "results" / f"{setting.name}.csv")
            assert {(r["strategy"], int(r["seed"])) for r in found} == {
                (label, seed) for label in labels for seed in setting.seeds_of(label)
            }
            assert {r["recipe"] for r in found} == {recipe_hash(plain(*next(study_runs([setting])).overrides))}


def finished_run(folder: Path, recipe: str, acc: float) -> None:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(f'{{"status": "finished", "recipe": "{recipe}"}}')
    (folder / "rounds.csv").write_text(f"round,n_labeled,test_acc\n0,10,0.1\n1,20,{acc}\n")


def test_results_of_another_machine_stay_unless_their_recipe_changed(tmp_path: Path) -> None:
    setting = Setting("s", (), ("random", "margin"), (0, 1))
    finished_run(tmp_path / "there/s/random/seed=0", "0001", 0.5)
    finished_run(tmp_path / "there/s/margin/seed=0", "0001", 0.6)
    assert collect([setting], tmp_path / "there", tmp_path / "results") == {"s": 2}
    finished_run(tmp_path / "here/s/random/seed=1", "0001", 0.7)
    finished_run(tmp_path / "here/s/random/seed=0", "0001", 0.8)
    assert collect([setting], tmp_path / "here", tmp_path / "results") == {"s": 3}
    known = [
        (r["strategy"], r["seed"], r["test_acc"]) for r in rows(tmp_path / "results/s.csv") if r["round"] == "1"
    ]
    assert sorted(known) == [("margin", "0", "0.6"), ("random", "0", "0.8"), ("random", "1", "0.7")]
    finished_run(tmp_path / "new/s/random/seed=0", "0002", 0.9)
    assert collect([setting], tmp_path / "new", tmp_path / "results") == {"s": 1}


def test_a_study_goes_on_where_its_results_end(tmp_path: Path) -> None:
    """Rows of today's recipe count as there; rows of another recipe, seed or strategy do not."""
    (digits,) = script("digits_study/run").SETTINGS
    cells = [cell for cell in study_runs([digits]) if cell.label in ("random", "margin") and cell.seed < 2]
    there = recorded(cells, EXPERIMENTS / "digits_study" / "results")
    assert there == {("digits", label, seed) for label in ("random", "margin") for seed in (0, 1)}
    kept = (EXPERIMENTS / "digits_study" / "results" / "digits.csv").read_text(encoding="utf-8").splitlines()
    lines = [kept[0], *(line for line in kept if line.startswith("digits,margin,1,"))]
    (tmp_path / "digits.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert recorded(cells, tmp_path) == {("digits", "margin", 1)}
    other = replace(digits, overrides=(*digits.overrides, "optimizer.lr=0.5"))
    assert (
        recorded(
            [replace(cell, setting=other, overrides=(*cell.overrides, "optimizer.lr=0.5")) for cell in cells],
            tmp_path,
        )
        == set()
    )
    assert recorded(cells, tmp_path / "nothing") == set()
