"""Configs of runs: which keys differ between recipes, and between variants of one strategy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoal.analysis.runs import Run
from autoal.rundir.names import CONFIG
from autoal.rundir.recipe import NOT_RECIPE, RECIPE_GROUPS, RECIPE_TRAINER_KEYS

__all__ = ["config_text", "differing_keys", "flatten", "label_recipes", "label_variants", "read_config"]

_STRATEGY_BLOCK = re.compile(r"^strategy:.*\n(?:(?:[ \t]+.*|[ \t]*)\n)*", re.MULTILINE)


def config_text(run: Run) -> str:
    """Read the composed config of a run as YAML text.

    Args:
        run: The run.

    Returns:
        The text of ``.hydra/config.yaml``, empty if there is none.
    """
    try:
        return (run.path / CONFIG).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def read_config(path: Path) -> dict[str, Any]:
    """Read the composed config of a run directory.

    Args:
        path: The run directory.

    Returns:
        The config as nested dicts, empty if there is none or it cannot be read.
    """
    try:
        return parse_config((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}


def parse_config(text: str) -> dict[str, Any]:
    """Parse YAML text with the fast loader where libyaml is installed.

    Args:
        text: YAML of a mapping.

    Returns:
        The mapping, empty if the text is no mapping.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # Both loaders construct plain Python values only.
        value = yaml.load(text, Loader=loader)
    except yaml.YAMLError:
        return {}
    return value if isinstance(value, dict) else {}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into one with dotted keys.

    Args:
        config: Nested mappings.
        prefix: Put before every key.

    Returns:
        Dotted key to leaf value.

    Example:
        >>> flatten({"loop": {"n_init": 10}})
        {'loop.n_init': 10}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Find the keys in which configs differ, leaving out strategy and seed.

    Args:
        configs: Nested configs.

    Returns:
        Dotted key to its value in each config (``-`` where absent). Keys that are no part of the recipe are
        listed if nothing else differs.
    """
    flats = [flatten(config) for config in configs]
    keys = sorted(set().union(*flats)) if flats else []
    found = {}
    for key in keys:
        if key == "seed" or key.split(".")[0] == "strategy":
            continue
        values = [str(flat.get(key, "-")) for flat in flats]
        if len(set(values)) > 1:
            found[key] = values
    telling = {key: values for key, values in found.items() if _in_recipe(key)}
    return telling or found


def _in_recipe(key: str) -> bool:
    group, _, name = key.partition(".")
    if group == "trainer":
        return name in RECIPE_TRAINER_KEYS
    if group in ("features", "callbacks", "training"):
        return True
    return group in RECIPE_GROUPS and name not in NOT_RECIPE.get(group, ())


def label_variants(runs: Iterable[Run]) -> None:
    """Tell runs of one strategy apart that were configured differently, by changing their strategy label.

    Without this, ``autoal`` with full and with frozen features would look like duplicate seeds of one strategy.

    Args:
        runs: Runs of one setting; ``strategy`` becomes e.g. ``autoal (features=frozen)`` where needed.
    """
    blocks: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        match = _STRATEGY_BLOCK.search(config_text(run))
        # Comparing text first keeps YAML parsing to one block per variant instead of one per run.
        blocks.setdefault(run.strategy, {}).setdefault(match.group(0) if match else "", []).append(run)
    for name, variants in blocks.items():
        # An imported run has no strategy config; nothing can be said about how it differs.
        variants.pop("", None)
        if len(variants) < 2:
            continue
        flats = []
        for text in variants:
            block = parse_config(text).get("strategy", {})
            flats.append(flatten(block) if isinstance(block, Mapping) else {"": block})
        # A seed that the strategy was given is the run's seed, not a setting of the strategy.
        names = (key for key in set().union(*flats) if key.rsplit(".", 1)[-1] != "seed")
        keys = sorted(key for key in names if len({str(flat.get(key, "-")) for flat in flats}) > 1)
        for flat, group in zip(flats, variants.values(), strict=True):
            label = ", ".join(f"{key}={flat.get(key, '-')}" for key in keys)
            for run in group:
                run.strategy = f"{name} ({label})" if label else name


def label_recipes(runs: Iterable[Run], differences: Mapping[str, Sequence[str]], recipes: Sequence[str]) -> None:
    """Tell runs of one strategy apart that come from different recipes, by changing their strategy label.

    Args:
        runs: Runs of one setting in which recipes were allowed to mix.
        differences: The answer of :func:`differing_keys` for ``recipes``.
        recipes: The recipe hashes, in the order of the values in ``differences``.
    """
    groups: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        groups.setdefault(run.strategy, {}).setdefault(run.recipe, []).append(run)
    for name, by_recipe in groups.items():
        if len(by_recipe) < 2:
            continue
        for recipe, group in by_recipe.items():
            column = recipes.index(recipe)
            # More than two differences make no label that anybody reads; the hash is listed with its keys.
            detail = ", ".join(f"{key}={values[column]}" for key, values in differences.items())
            label = detail if 0 < len(differences) <= 2 else f"recipe {recipe}"
            for run in group:
                run.strategy = f"{name} ({label})"
