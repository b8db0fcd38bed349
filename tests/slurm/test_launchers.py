"""The launchers' presets and what they hand to each run; no SLURM needed."""

from __future__ import annotations

from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf

from hydra_plugins.autoal_launchers.basic import BasicLauncher
from hydra_plugins.autoal_launchers.local_pool import LocalPoolLauncher
from hydra_plugins.autoal_launchers.slurm import SlurmLauncher
from tests.faults.lives import ROOT


def _preset(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", overrides=list(overrides), return_hydra_config=True)
    raw = OmegaConf.to_container(config.hydra.launcher, resolve=False)
    launcher = OmegaConf.create(
        {"trainer": config.trainer, "hydra": {"launcher": raw, "sweep": {"dir": "sweeps/x"}}}
    )
    plain = OmegaConf.to_container(launcher.hydra.launcher, resolve=True)
    assert isinstance(plain, dict)
    return {str(k): v for k, v in plain.items()}


def test_presets_are_plugins_that_hydra_finds() -> None:
    found = {plugin.__name__ for plugin in Plugins.instance().discover(Launcher)}
    assert {"BasicLauncher", "LocalPoolLauncher", "SlurmLauncher"} <= found
    kinds = {"slurm": SlurmLauncher, "local_pool": LocalPoolLauncher, "basic": BasicLauncher}
    for name, kind in kinds.items():
        assert _preset(f"hydra/launcher={name}")["_target_"] == f"{kind.__module__}.{kind.__name__}"


def test_slurm_nodes_follow_the_trainer() -> None:
    preset = _preset("hydra/launcher=slurm", "trainer=ddp", "trainer.num_nodes=2")
    assert preset["nodes"] == 2
    assert preset["tasks_per_node"] == 1
    assert preset["additional_parameters"] == {"requeue": True}
    assert preset["max_num_timeout"] > 0, "a run may reach its time limit more than once"
