"""Make the loggers of a ``logger`` config."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from autoal.config.instantiate import locate, plan_class
from autoal.config.plugins import registered
from autoal.config.values import check, shown
from autoal.errors import AutoALError, unknown_name
from autoal.loggers.base import RunListener

LOGGERS = {"csv": None, "wandb": "WandbLogger", "tensorboard": "TensorBoardLogger"}
"""Name -> class in the module of that name; csv is what every run writes by itself."""


def build_loggers(config: Mapping[str, Any]) -> list[RunListener]:
    """Make the loggers; a library is imported only if its logger is asked for.

    Args:
        config: One mapping of options per logger name.

    Raises:
        AutoALError: If a name does not exist, or an option is not valid.
    """
    loggers: list[RunListener] = []
    for name, options in config.items():
        installed = registered("loggers")
        if name not in {*LOGGERS, *installed}:
            raise unknown_name("logger", shown(name), {*LOGGERS, *installed})
        if not isinstance(options, Mapping | None):
            raise AutoALError(f"logger.{name}={shown(options)} is not a mapping of options")
        if name not in LOGGERS:
            own = locate(f"logger.{name}", installed[name], RunListener)
            loggers.append(plan_class(f"logger.{name}", own, options or {}, RunListener).build())
            continue
        cls = LOGGERS[name]
        if cls is None:
            check(f"logger.{name}", options or {}, {})
            continue
        module = importlib.import_module(f"autoal.loggers.{name}")
        loggers.append(plan_class(f"logger.{name}", getattr(module, cls), options or {}, RunListener).build())
    return loggers
