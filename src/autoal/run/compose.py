"""Experiments from Python: the config that the command line would compose, by keyword."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from autoal.config.command_line import choices, conf_dir
from autoal.config.explain import explain
from autoal.config.root import GROUPS
from autoal.errors import AutoALError, unknown_name
from autoal.rundir.names import ROUNDS

LISTS = ("logger", "callbacks")
"""Groups of which several choices stand beside each other."""


@dataclass(frozen=True)
class Composed:
    """An experiment that is put together and not yet run; see :func:`experiment`.

    Attributes:
        config: Its config, as ``autoal train`` would compose it.
        run_dir: Where its files go.
    """

    config: DictConfig
    run_dir: Path

    def run(self) -> dict[str, Any]:
        """Run it to its end.

        Returns:
            The content of ``summary.json``: ``final_acc``, ``aubc``, ``n_labeled``, ...

        Raises:
            AutoALError: For any error of the user, in one line.
        """
        from autoal.run.start import run

        return run(self.config, self.run_dir)

    def rounds(self) -> list[dict[str, str]]:
        """Return the rows of ``rounds.csv``, one per round."""
        with (self.run_dir / ROUNDS).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def experiment(
    *,
    run_dir: str | Path | None = None,
    config_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    **parts: Any,
) -> Composed:
    """Put an experiment together from Python, as ``autoal train`` does from its command line.

    Args:
        run_dir: Where its files go; default ``runs/<dataset>/<backbone>/<strategy>/...``.
        config_dir: A folder of further configs, as ``--config-dir``.
        overrides: Anything else, in the command line's words: ``["+experiment=deepal/mnist"]``.
        **parts: ``seed``, or a group with the name of a choice (``strategy="badge"``), with settings
            (``loop={"n_rounds": 3}``), or with both (``strategy={"name": "alfamix", "alpha_cap": 0.1}``). A
            strategy, dataset or backbone of your own is its class, or ``{"_target_": MyStrategy, "alpha": 0.3}``;
            of ``callbacks`` each has a name, ``{"mine": MyCallback}``.

    Returns:
        The experiment; its :meth:`~Composed.run` runs it.

    Raises:
        AutoALError: If a name or key does not exist.

    Example:
        >>> made = experiment(dataset="digits", strategy="badge", loop={"n_rounds": 3}, seed=1)
        >>> made.config.strategy.name, made.config.loop.n_rounds, made.config.seed
        ('badge', 3, 1)
    """
    words: list[str] = []
    settings: dict[str, dict[str, Any]] = {}
    for group, value in parts.items():
        if group == "seed":
            words.append(f"seed={value}")
        elif group in GROUPS:
            word, settings[group] = _part(group, value, known=config_dir is None)
            words += word
        else:
            raise unknown_name("part of an experiment", group, ("seed", *GROUPS))
    if config_dir is not None:
        words.append(f"hydra.searchpath=['file://{Path(config_dir).absolute()}']")
    config = compose_config([*words, *overrides])
    OmegaConf.set_struct(config, False)
    for group, options in settings.items():
        # A class of your own has no use for the arguments of the choice that it replaces.
        config[group] = options if "_target_" in options else OmegaConf.merge(config.get(group) or {}, options)
    path = Path(str(config.paths.run_dir if run_dir is None else run_dir)).absolute()
    config.paths.run_dir = str(path)
    return Composed(config, path)


def _part(group: str, value: Any, known: bool) -> tuple[list[str], dict[str, Any]]:
    """Return the override that chooses a group's config, and the settings on top of it."""
    if isinstance(value, type):
        value = {"_target_": value}
    if isinstance(value, str):
        value = {"name": value}
    if group in LISTS and isinstance(value, list | tuple):
        return [f"{group}=[{','.join(_choice(group, str(name), known) for name in value)}]"], {}
    if not isinstance(value, Mapping):
        raise AutoALError(f"{group}={value!r} is neither a name, nor a class, nor a mapping of settings")
    options = {str(k): v for k, v in value.items()}
    if group == "callbacks":
        return [], {name: {"_target_": dotted(v)} if isinstance(v, type) else v for name, v in options.items()}
    target = options.get("_target_")
    if isinstance(target, type):
        options["_target_"] = dotted(target)
        options.setdefault("name", getattr(target, "name", "") or target.__name__)
    if target is not None or "name" not in options:
        return [], options
    return [f"{group}={_choice(group, str(options.pop('name')), known)}"], options


def dotted(cls: type) -> str:
    """Return the dotted path of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _choice(group: str, name: str, known: bool) -> str:
    if known and name not in choices(group):
        raise unknown_name(group, name, choices(group))
    return name


def compose_config(words: Sequence[str]) -> DictConfig:
    """Compose the config; whatever Hydra an embracing program has set up is put back afterwards.

    Args:
        words: Overrides, as on the command line.

    Raises:
        AutoALError: In one line, if they do not fit.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            return compose("train", overrides=list(words))
    except (HydraException, OmegaConfBaseException) as error:
        raise AutoALError(explain(error)) from error
    finally:
        GlobalHydra.instance().hydra = outer
