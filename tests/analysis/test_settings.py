"""Grouping runs: recipes that must not mix, variants, duplicates, missing seeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoal.analysis.recipes import differing_keys, flatten
from autoal.analysis.settings import Setting, collect
from autoal.errors import AutoALError
from tests.analysis.trees import write_run, write_tree


def kinds(problems: list) -> list[str]:  # type: ignore[type-arg]
    return [problem.kind for problem in problems]


def test_groups_by_dataset_backbone_strategy_and_seed(tmp_path: Path) -> None:
    write_tree(tmp_path, datasets=("digits", "fashion"), backbones=("mlp", "cnn"), seeds=range(2), rounds=3)
    settings, problems = collect([tmp_path])
    assert [s.label for s in settings] == ["digits / cnn", "digits / mlp", "fashion / cnn", "fashion / mlp"]
    assert settings[0].strategies == ["autoal", "badge", "entropy", "margin", "random"]
    assert [run.seed for run in settings[0].runs["badge"]] == [0, 1]
    assert problems == []


def test_nothing_there_and_nothing_finished(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match="no run directory at or below"):
        collect([tmp_path])
    write_run(tmp_path / "a", status="failed", summary={"message": "out of memory"})
    write_run(tmp_path / "b", status="running")
    with pytest.raises(
        AutoALError, match=r"no finished run among the 2 below .* failed: .*out of memory"
    ) as caught:
        collect([tmp_path])
    assert "\n" not in str(caught.value)


def two_recipes(root: Path) -> None:
    for seed in range(2):
        write_run(root / f"a{seed}", strategy="random", seed=seed, config={"loop": {"n_query": 10, "epochs": 30}})
        write_run(root / f"b{seed}", strategy="badge", seed=seed, config={"loop": {"n_query": 10, "epochs": 60}})


def test_refuses_to_mix_recipes_and_names_the_keys(tmp_path: Path) -> None:
    two_recipes(tmp_path)
    with pytest.raises(AutoALError) as caught:
        collect([tmp_path])
    message = str(caught.value)
    assert "digits / mlp has runs of 2 recipes" in message
    assert "loop.epochs (" in message
    assert "30" in message
    assert "60" in message
    assert "--setting loop.epochs" in message
    assert "--allow-mixed-recipes" in message
    assert "n_query" not in message
    assert "\n" not in message


def test_mixing_on_request_is_still_reported(tmp_path: Path) -> None:
    two_recipes(tmp_path)
    (setting,), problems = collect([tmp_path], allow_mixed_recipes=True)
    assert setting.strategies == ["badge", "random"]
    assert kinds(problems) == ["warning"]
    assert "mixes 2 recipes: loop.epochs" in problems[0].message


def test_one_strategy_of_two_recipes_stays_two_curves(tmp_path: Path) -> None:
    two_recipes(tmp_path)
    write_run(tmp_path / "c", strategy="badge", seed=0, config={"loop": {"n_query": 10, "epochs": 30}})
    (setting,), _ = collect([tmp_path], allow_mixed_recipes=True)
    assert setting.strategies == ["badge (loop.epochs=30)", "badge (loop.epochs=60)", "random"]


def test_a_key_can_make_settings(tmp_path: Path) -> None:
    two_recipes(tmp_path)
    settings, problems = collect([tmp_path], setting_keys=["loop.epochs"])
    assert [s.label for s in settings] == ["digits / mlp / epochs=30", "digits / mlp / epochs=60"]
    assert problems == []


def test_variants_of_a_strategy_are_no_duplicates(tmp_path: Path) -> None:
    for features in ("full", "frozen"):
        for seed in range(2):
            write_run(
                tmp_path / f"{features}{seed}", strategy="autoal", seed=seed,
                strategy_config={"features": features, "steps": 5, "seed": seed},
            )  # fmt: skip
    (setting,), problems = collect([tmp_path])
    assert setting.strategies == ["autoal (features=frozen)", "autoal (features=full)"]
    assert problems == []


def test_duplicate_seeds_use_the_newest_and_say_so(tmp_path: Path) -> None:
    old = write_run(tmp_path / "old", seed=4, acc=[0.5, 0.6])
    new = write_run(tmp_path / "new", seed=4, acc=[0.5, 0.7])
    os.utime(old / "summary.json", (1, 1))
    (setting,), problems = collect([tmp_path])
    assert [run.path for run in setting.runs["random"]] == [new]
    assert kinds(problems) == ["duplicate"]
    assert "random seed 4 finished 2 times (final accuracies 0.6000, 0.7000)" in problems[0].message
    assert str(old) in problems[0].message
    assert "\n" not in str(problems[0])


def test_missing_seeds_are_listed(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path / f"r{seed}", strategy="random", seed=seed)
    write_run(tmp_path / "b2", strategy="badge", seed=2)
    _, problems = collect([tmp_path])
    assert [p.message for p in problems] == ["badge lacks seeds 0, 1, 3"]


def test_curves_of_other_lengths_are_flagged_and_share_a_grid(tmp_path: Path) -> None:
    write_run(tmp_path / "a", strategy="random", acc=[0.5, 0.6, 0.7], config={"loop": {"n": 1}})
    write_run(tmp_path / "b", strategy="badge", acc=[0.5, 0.6], config={"loop": {"n": 1}})
    (setting,), problems = collect([tmp_path])
    assert kinds(problems) == ["warning"]
    assert "different sizes (10-20, 10-30)" in problems[0].message
    assert setting.grid.tolist() == [10, 20, 30]
    assert str(setting.on_grid("badge")[0][2]) == "nan"


def test_bad_runs_do_not_stop_the_good_ones(tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "failed", seed=1, status="failed", summary={"message": "disk full"})
    write_run(tmp_path / "running", seed=2, status="running")
    (write_run(tmp_path / "torn", seed=3) / "summary.json").write_text("{")
    (setting,), problems = collect([tmp_path])
    assert len(setting.runs["random"]) == 1
    assert sorted(kinds(problems)) == ["damaged", "failed", "unfinished"]


def test_imported_seeds_do_not_pair_with_own_ones(tmp_path: Path) -> None:
    write_run(tmp_path / "own", strategy="random", config={"loop": {"n": 1}})
    write_run(tmp_path / "theirs", strategy="badge", config={"loop": {"n": 1}}, summary={"imported_from": "csv"})
    (setting,), problems = collect([tmp_path])
    assert isinstance(setting, Setting)
    assert setting.seeds == [("", 0), ("csv", 0)]
    assert problems == []


def test_differing_keys_prefers_what_is_in_the_recipe() -> None:
    a = {"loop": {"n_init": 1, "eval_batch_size": 1}, "paths": {"data_dir": "/a"}, "seed": 0, "strategy": {"x": 1}}
    b = {"loop": {"n_init": 2, "eval_batch_size": 2}, "paths": {"data_dir": "/b"}, "seed": 1, "strategy": {"x": 2}}
    assert differing_keys([a, b]) == {"loop.n_init": ["1", "2"]}
    assert differing_keys([{"paths": {"p": 1}}, {}]) == {"paths.p": ["1", "-"]}
    assert flatten({"a": {"b": {"c": 1}}, "d": {}}) == {"a.b.c": 1, "d": {}}
