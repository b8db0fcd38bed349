"""Every YAML under ``conf/`` composes, and what it composes can be built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from autoal.config.command_line import choices
from autoal.config.root import GROUPS
from autoal.data.build import build_augmentations, build_dataset
from autoal.loop.settings import LoopConfig
from autoal.query.registry import build
from autoal.rundir.recipe import recipe_hash
from autoal.training.callbacks import build_callbacks
from autoal.training.optim import OptimizerRecipe


def composed(root: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def plain(config: Any) -> dict[str, Any]:
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(k): v for k, v in container.items()}


@pytest.mark.parametrize(("group", "name"), [(g, n) for g in GROUPS for n in choices(g)])
def test_every_choice_composes(root: Path, group: str, name: str) -> None:
    config = plain(composed(root, f"{group}={name}"))
    if group in ("dataset", "backbone", "strategy", "optimizer", "loop", "oracle", "trainer"):
        # The name that results carry is the name that was asked for.
        assert config[group]["name"] == name
    assert len(recipe_hash(config)) == 10


@pytest.mark.parametrize("name", choices("strategy"))
def test_strategies_build(root: Path, name: str) -> None:
    assert build(plain(composed(root, f"strategy={name}").strategy)).name == name


@pytest.mark.parametrize("name", choices("dataset"))
def test_datasets_build(root: Path, name: str) -> None:
    config = plain(composed(root, f"dataset={name}").dataset)
    if any(v == "???" for v in config.values()):
        pytest.skip(f"dataset {name} has keys that the user must give")
    assert build_dataset(config).info.name == name
    build_augmentations(config.get("augment"))


@pytest.mark.parametrize("name", choices("loop"))
def test_loops_are_valid(root: Path, name: str) -> None:
    loop = LoopConfig.from_config(plain(composed(root, f"loop={name}").loop))
    assert loop.n_init + loop.n_rounds * loop.n_query > 0


@pytest.mark.parametrize("name", choices("optimizer"))
def test_optimizers_build(root: Path, name: str) -> None:
    import torch

    recipe = OptimizerRecipe(plain(composed(root, f"optimizer={name}").optimizer), epochs=10)
    optimizer = recipe.optimizer([torch.nn.Parameter(torch.ones(3))])
    assert recipe.scheduler(optimizer).get_last_lr()[0] > 0


@pytest.mark.parametrize("name", choices("experiment"))
def test_experiments_compose(root: Path, name: str) -> None:
    config = plain(composed(root, f"+experiment={name}"))
    LoopConfig.from_config(config["loop"])


@pytest.mark.parametrize("name", choices("callbacks"))
def test_callbacks_build(root: Path, name: str) -> None:
    assert len(build_callbacks(plain(composed(root, f"callbacks={name}").callbacks))) == 1


def test_recipe_ignores_strategy_and_seed_and_nothing_else(root: Path) -> None:
    base = recipe_hash(plain(composed(root)))
    for same in (
        "strategy=margin",
        "seed=5",
        "paths.data_dir=elsewhere",
        "loop.checkpoint_every=3",
        "trainer=cpu",
    ):
        assert recipe_hash(plain(composed(root, same))) == base
    for same in ("trainer.gradient_clip_algorithm=value", "trainer.accumulate_grad_batches=1"):
        assert recipe_hash(plain(composed(root, same))) == base  # nothing is clipped, nothing accumulated
    for other in ("trainer.precision=64-true", "trainer.gradient_clip_val=1", "trainer.accumulate_grad_batches=2"):
        assert recipe_hash(plain(composed(root, other))) != base
    clipped = [
        plain(composed(root, "trainer.gradient_clip_val=1", f"trainer.gradient_clip_algorithm={a}"))
        for a in ("norm", "value")
    ]
    assert recipe_hash(clipped[0]) != recipe_hash(clipped[1])
    assert recipe_hash(plain(composed(root, "callbacks=[learning_rate_monitor,device_stats_monitor]"))) == base
    assert recipe_hash(plain(composed(root, "callbacks=early_stopping"))) != base
    assert recipe_hash(plain(composed(root, "+callbacks.mine._target_=my.Own"))) != base
    for other in ("loop.n_query=21", "dataset=mnist", "backbone.dropout=0.1", "optimizer.lr=0.1"):
        assert recipe_hash(plain(composed(root, other))) != base
