"""Experiments from Python: the config of the command line, one-line errors, a run in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import autoal
from autoal.errors import AutoALError


def without_paths(config: Any) -> dict[str, Any]:
    container = OmegaConf.to_container(config, resolve=False)
    assert isinstance(container, dict)
    return {str(k): v for k, v in container.items() if k != "paths"}


def test_it_is_what_the_command_line_composes(root: Path, tmp_path: Path) -> None:
    made = autoal.experiment(
        dataset="mnist",
        strategy={"name": "alfamix", "alpha_cap": 0.1},
        loop={"n_rounds": 3},
        logger=["csv", "tensorboard"],
        seed=4,
        run_dir=tmp_path / "run",
        overrides=["optimizer.lr=0.5"],
    )
    words = ["dataset=mnist", "strategy=alfamix", "strategy.alpha_cap=0.1", "loop.n_rounds=3", "seed=4"]
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        want = compose("train", overrides=[*words, "logger=[csv,tensorboard]", "optimizer.lr=0.5"])
    assert without_paths(made.config) == without_paths(want)
    assert made.run_dir == tmp_path / "run"


def test_a_run_in_a_few_lines(tmp_path: Path) -> None:
    run = autoal.experiment(
        dataset="digits",
        strategy="badge",
        loop={"n_init": 20, "n_query": 10, "n_rounds": 2, "epochs": 2},
        trainer="cpu",
        run_dir=tmp_path / "with spaces, and = signs",
    )
    summary = run.run()
    assert summary["status"] == "finished"
    assert [int(row["n_labeled"]) for row in run.rounds()] == [20, 30, 40]
    assert float(run.rounds()[-1]["test_acc"]) == pytest.approx(summary["final_acc"])
    with pytest.raises(AutoALError, match="already holds a run"):
        run.run()


def test_other_configs_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "mine.yaml").write_text("name: margin\n")
    assert autoal.experiment(strategy="mine", config_dir=tmp_path).config.strategy == {"name": "margin"}


def test_an_embracing_program_keeps_its_hydra(root: Path) -> None:
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        autoal.experiment(dataset="digits")
        assert compose("train").dataset.name == "digits"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"strategy": "bagde"}, "Did you mean 'badge'"),
        ({"strategies": "badge"}, "unknown part of an experiment 'strategies'. Did you mean 'strategy'"),
        ({"strategy": 3}, "strategy=3 is neither a name"),
        ({"logger": ["csv", "wandbb"]}, "Did you mean 'wandb'"),
    ],
)
def test_mistakes_are_one_line(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(AutoALError, match=message) as error:
        autoal.experiment(**parts)
    assert "\n" not in str(error.value)
