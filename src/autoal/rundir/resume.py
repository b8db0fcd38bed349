"""Whether a run starts, continues or is finished already, and with which config it continues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError
from autoal.rundir.recipe import NOT_RECIPE, RECIPE_GROUPS, RECIPE_TRAINER_KEYS, recipe_of
from autoal.rundir.state import holds_run, never_started, read_config, read_summary

FREE_GROUPS = ("trainer", "paths", "logger", "callbacks")
"""Groups that a resume may change, but for what of the trainer and the callbacks belongs to the recipe."""


@dataclass(frozen=True)
class Start:
    """How to go about a run.

    Attributes:
        config: The config to run with.
        run_dir: The run directory.
        resume: Whether to continue what stands there.
        summary: What the run ended with, if it is finished already.
    """

    config: dict[str, Any]
    run_dir: Path
    resume: bool
    summary: dict[str, Any] | None = None


def resumed(run_dir: Path, composed: Mapping[str, Any], overrides: Sequence[str]) -> Start:
    """Continue a run with the config it was started with.

    Args:
        run_dir: The run directory.
        composed: The config that this command line composes.
        overrides: This command line's overrides; those of the trainer, paths, loggers and callbacks count.

    Raises:
        AutoALError: If there is no run, or an override would change what has been trained so far.
    """
    config = _own_config(run_dir)
    for key in (_key(o) for o in overrides):
        group, _, rest = key.partition(".")
        if key in ("resume", "trust", "") or group == "hydra":
            continue
        if group in FREE_GROUPS or rest in NOT_RECIPE.get(group, ()) or _more_rounds(config, composed, key):
            _copy(config, composed, key)
        elif _value(config, key) != _value(composed, key):
            raise AutoALError(
                f"{key}={_value(composed, key)} can't be given with resume: {run_dir} was started with "
                f"{key}={_value(config, key)}; leave it out, or start a new run"
            )
    _refuse_other_recipe(run_dir, config)
    return _start(config, run_dir)


def _more_rounds(own: Mapping[str, Any], composed: Mapping[str, Any], key: str) -> bool:
    """Whether a key asks for more rounds than a run was started with, which goes on from its last one then."""
    if key != "loop.n_rounds":
        return False
    return _grows(own["loop"].get("n_rounds"), composed["loop"].get("n_rounds"))


def _grows(before: object, now: object) -> bool:
    return isinstance(before, int) and isinstance(now, int) and now > before


def same_cell(run_dir: Path, composed: dict[str, Any]) -> Start:
    """Start, continue or skip a cell of a sweep, whichever its directory calls for.

    Raises:
        AutoALError: If another experiment stands in the directory.
    """
    if not holds_run(run_dir) or never_started(run_dir):
        return Start(composed, run_dir, resume=False)
    own = _own_config(run_dir)
    for key in ("seed", "strategy"):
        if own.get(key) != composed.get(key):
            raise AutoALError(f"{run_dir} holds a run with another {key}; give the sweep another hydra.sweep.dir")
    _refuse_other_recipe(run_dir, composed)
    return _start(composed, run_dir)


def _start(config: dict[str, Any], run_dir: Path) -> Start:
    summary = read_summary(run_dir)
    done = summary if _finished(summary, int(config["loop"].get("n_rounds") or 0)) else None
    return Start(config, run_dir, resume=True, summary=done)


def _finished(summary: Mapping[str, Any] | None, n_rounds: int) -> bool:
    if summary is None or summary.get("status") != "finished":
        return False
    rounds = summary.get("rounds")
    return not (type(rounds) is int and rounds < n_rounds + 1)


def _own_config(run_dir: Path) -> dict[str, Any]:
    return read_config(run_dir, (*RECIPE_GROUPS, "trainer"))


def _refuse_other_recipe(run_dir: Path, config: Mapping[str, Any]) -> None:
    """Name the first key of the recipe in which a config differs from a run's own."""
    own, other = recipe_of(_own_config(run_dir)), recipe_of(config)
    for group in {**own, **other}:
        before, now = own.get(group, {}), other.get(group, {})
        for key in (*before, *now):
            mine, new = before.get(key), now.get(key)
            if mine == new or (group == "loop" and key == "n_rounds" and _grows(mine, new)):
                continue
            keep = f"; add {group}.{key}={'null' if mine is None else mine}" if key in RECIPE_TRAINER_KEYS else ""
            raise AutoALError(
                f"{group}.{key}={new} would change the recipe of {run_dir}, which was started with {mine}{keep}"
            )


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").partition("@")[0].replace("/", ".").strip()


def _value(config: Mapping[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def _copy(config: dict[str, Any], source: Mapping[str, Any], key: str) -> None:
    *groups, last = key.split(".")
    for part in groups:
        config = config.setdefault(part, {})
    value = _value(source, key)
    if value is None and last not in (_value(source, ".".join(groups)) or {} if groups else source):
        config.pop(last, None)
    else:
        config[last] = value
