"""Configs as the command line composes them, each composed once per process, since that takes 0.2 seconds."""

from __future__ import annotations

import copy
import functools
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from autoal.config.command_line import conf_dir


def composed(*overrides: str) -> DictConfig:
    """Compose a config; the caller's own to change."""
    return copy.deepcopy(_composed(overrides))


def plain(*overrides: str) -> dict[str, Any]:
    """Compose a config as plain containers, references resolved; the caller's own to change."""
    container = OmegaConf.to_container(_composed(overrides), resolve=True)
    assert isinstance(container, dict)
    return {str(k): v for k, v in container.items()}


@functools.cache
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", overrides=list(overrides))
