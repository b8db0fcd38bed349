"""Every YAML under ``conf/`` composes, and what it composes can be built."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from autoal.config.command_line import choices
from autoal.config.root import GROUPS
from autoal.data.build import build_augmentations, build_dataset
from autoal.loop.settings import LoopConfig
from autoal.query.registry import build
from autoal.rundir.recipe import recipe_hash
from autoal.training.callbacks import build_callbacks
from autoal.training.method import build_method
from autoal.training.optim import OptimizerRecipe
from tests.composed import plain


def built_strategy(config: dict[str, Any], name: str) -> None:
    assert build(config["strategy"]).name == name


def built_dataset(config: dict[str, Any], name: str) -> None:
    own = config["dataset"]
    # Some leave keys to the user.
    if "???" not in own.values():
        assert build_dataset(own).info.name == name
    build_augmentations(own.get("augment"))


def valid_loop(config: dict[str, Any], name: str) -> None:
    loop = LoopConfig.from_config(config["loop"])
    assert loop.n_init + loop.n_rounds * loop.n_query > 0


def built_optimizer(config: dict[str, Any], name: str) -> None:
    recipe = OptimizerRecipe(config["optimizer"], epochs=10)
    optimizer = recipe.optimizer([torch.nn.Parameter(torch.ones(3))])
    assert recipe.scheduler(optimizer).get_last_lr()[0] > 0


def built_training(config: dict[str, Any], name: str) -> None:
    method = build_method(config["training"])
    # The defaults of a class are those of its config.
    assert vars(type(method)()) == vars(method)


def built_callbacks(config: dict[str, Any], name: str) -> None:
    assert len(build_callbacks(config["callbacks"])) == 1


BUILDERS = {
    "strategy": built_strategy,
    "dataset": built_dataset,
    "loop": valid_loop,
    "optimizer": built_optimizer,
    "training": built_training,
    "callbacks": built_callbacks,
}
"""What is made of a choice of a group; backbones need a data set, and are built in ``tests/models``."""


@pytest.mark.parametrize(("group", "name"), [(g, n) for g in GROUPS for n in choices(g)])
def test_every_choice_composes_and_can_be_built(group: str, name: str) -> None:
    config = plain(f"{group}={name}")
    if group in ("dataset", "backbone", "strategy", "optimizer", "training", "loop", "oracle", "trainer"):
        # The name that results carry is the name that was asked for.
        assert config[group]["name"] == name
    assert len(recipe_hash(config)) == 10
    if group in BUILDERS:
        BUILDERS[group](config, name)


@pytest.mark.parametrize("name", choices("experiment"))
def test_experiments_compose(name: str) -> None:
    config = plain(f"+experiment={name}")
    LoopConfig.from_config(config["loop"])


def recipe(*changes: str) -> str:
    """The recipe of the default config after changes: ``group=name`` is composed, ``group.key=value`` is set."""
    groups = [word for word in changes if "." not in word.partition("=")[0]]
    config = OmegaConf.create(plain(*groups))
    for word in changes:
        key, _, value = word.partition("=")
        if word not in groups:
            OmegaConf.update(config, key, yaml.safe_load(value), force_add=True)
    return recipe_hash({str(k): v for k, v in OmegaConf.to_object(config).items()})  # type: ignore[union-attr]


def test_recipe_ignores_strategy_and_seed_and_nothing_else() -> None:
    base = recipe()
    for same in (
        "strategy=margin",
        "seed=5",
        "paths.data_dir=elsewhere",
        "loop.checkpoint_every=3",
        "trainer=cpu",
        # Nothing is clipped, nothing accumulated.
        "trainer.gradient_clip_algorithm=value",
        "trainer.accumulate_grad_batches=1",
        "callbacks=[learning_rate_monitor,device_stats_monitor]",
    ):
        assert recipe(same) == base
    for other in (
        "trainer.precision=64-true",
        "trainer.gradient_clip_val=1",
        "trainer.accumulate_grad_batches=2",
        "callbacks=early_stopping",
        "callbacks.mine._target_=my.Own",
        "training=fixmatch",
        "training.ema=0.9",
        "loop.steps_per_epoch=9",
        "loop.n_query=21",
        "dataset=mnist",
        "backbone.dropout=0.1",
        "optimizer.lr=0.1",
    ):
        assert recipe(other) != base
    older = plain()
    del older["training"], older["loop"]["steps_per_epoch"]
    assert recipe_hash(older) == base == "61c097364a", "it was so before there was a choice"
    clipped = [
        recipe("trainer.gradient_clip_val=1", f"trainer.gradient_clip_algorithm={a}") for a in ("norm", "value")
    ]
    assert clipped[0] != clipped[1]
