"""From a composed config to a finished run: what ``train.py`` calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from autoal.errors import AutoALError, unknown_name
from autoal.experiment import Experiment
from autoal.logs import quiet

ROOT_KEYS = (
    "dataset",
    "backbone",
    "strategy",
    "optimizer",
    "loop",
    "trainer",
    "logger",
    "paths",
    "seed",
    "resume",
)


def run(config: DictConfig, run_dir: Path) -> dict[str, Any]:
    """Run or resume the experiment of a config.

    Args:
        config: A composed config.
        run_dir: Where a new run's files go.

    Returns:
        The content of ``summary.json``.

    Raises:
        AutoALError: For any error of the user.
    """
    quiet()
    for key in config:
        if key not in ROOT_KEYS:
            raise unknown_name("key", str(key), ROOT_KEYS)
    if config.get("resume"):
        raise AutoALError("resume is not available yet")
    return Experiment.build(config, run_dir, overrides()).run()


def overrides() -> list[str]:
    """Return the command line's overrides of this job, for the run directory's record."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
