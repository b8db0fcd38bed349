"""The root of a config: groups, seed, what to resume and whom to trust; and what can be checked at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, cast

from omegaconf import DictConfig, OmegaConf

from autoal.config.training import TrainerSettings
from autoal.config.values import Range, Text, check, check_value, settings_of, shown, unknown_key
from autoal.errors import AutoALError

GROUPS = (
    "dataset",
    "backbone",
    "strategy",
    "optimizer",
    "training",
    "loop",
    "oracle",
    "trainer",
    "logger",
    "callbacks",
    "paths",
)
"""The config groups, each a mapping in the composed config."""

MAY_BE_EMPTY = ("logger", "callbacks")
"""Groups of which nothing need be chosen."""


@dataclass(frozen=True)
class Scalars:
    """Keys of the root besides the groups.

    Attributes:
        seed: Everything random follows from it.
        resume: A run directory to continue.
        features: Folder of static features.
        trust: Packages whose classes a config may name, besides this one and ``torch.optim``.
    """

    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    resume: Text | None = None
    features: Text | None = None
    trust: Sequence[Text] | None = ()


@dataclass(frozen=True)
class Paths:
    """Settings of a ``paths`` config.

    Attributes:
        data_dir: Root of the data files.
        run_dir: The run directory.
    """

    data_dir: Text = "data"
    run_dir: Text = ""


SUPERVISED = {"name": "supervised", "_target_": "autoal.training.method.Supervised", "ema": 0.0}
"""The training where none is chosen: on the bought labels only."""

SIMULATED = {"name": "simulated", "people": False, "n_test": 0}
"""The oracle where none is chosen."""

ROOT_KEYS = (*GROUPS, *settings_of(Scalars))


def plain(config: DictConfig | Mapping[str, Any], complete: bool = True) -> dict[str, Any]:
    """Return a composed config as a plain mapping, its references resolved.

    Args:
        config: The config.
        complete: Whether a value that is still to be given (``???``) is an error.
    """
    if isinstance(config, DictConfig):
        config = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, throw_on_missing=complete))
    return {str(key): value for key, value in config.items()}


def check_root(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check everything that needs no class of a ``_target_``: root, trainer and paths.

    Args:
        config: A composed config as plain containers.

    Returns:
        The config, with an empty mapping where no logger or no callback is chosen.

    Raises:
        AutoALError: Naming the key, its value and what is valid.
    """
    scalars = settings_of(Scalars)
    for key in config:
        if key not in ROOT_KEYS:
            raise unknown_key("", str(key), ROOT_KEYS)
    values = {
        key: check_value(key, config[key], setting.kind) for key, setting in scalars.items() if key in config
    }
    for i, name in enumerate(values.get("trust") or ()):
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
            raise AutoALError(f"trust[{i}]={shown(name)} is not the dotted name of a package, module or class")
    # Runs of older versions have neither in their config.
    older = {"oracle": config.get("oracle") or SIMULATED, "training": config.get("training") or SUPERVISED}
    checked = {**config, **values, **{group: config.get(group) or {} for group in MAY_BE_EMPTY}, **older}
    for group in GROUPS:
        if not checked.get(group) and group not in MAY_BE_EMPTY:
            raise AutoALError(f"no {group} is chosen: {group}=NAME")
        if not isinstance(checked[group], Mapping):
            raise AutoALError(f"{group}={shown(checked[group])} is not a mapping; choose a config: {group}=NAME")
    for group in ("dataset", "backbone", "training"):
        check_value(f"{group}.name", checked[group].get("name"), Text)
    TrainerSettings.from_config(checked["trainer"])
    checked["paths"] = {**checked["paths"], **asdict(check_paths(checked["paths"]))}
    return checked


def check_paths(config: Mapping[str, Any]) -> Paths:
    """Check a ``paths`` config.

    Raises:
        AutoALError: If a path is missing, empty or no text.
    """
    settings = settings_of(Paths)
    return Paths(**check("paths", {**dict.fromkeys(settings), **config}, settings))
