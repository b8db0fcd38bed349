"""Group finished runs into settings in which strategies may be compared, and say what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from autoal.analysis.curves import FloatArray
from autoal.analysis.recipes import differing_keys, flatten, label_recipes, label_variants, read_config
from autoal.analysis.runs import DamagedRun, Problem, Run, find_runs, read_run
from autoal.errors import AutoALError
from autoal.rundir.names import ROUNDS, SUMMARY

__all__ = ["Setting", "collect", "group_runs"]

PairKey = tuple[str, int]


@dataclass
class Setting:
    """Runs that may be compared: one data set, backbone, training and recipe (unless mixing was allowed).

    Attributes:
        dataset: Data-set name.
        backbone: Backbone name.
        label: What tells the setting apart, e.g. ``digits / mlp``; unique in a report.
        recipes: The recipe hashes, one unless mixing was allowed.
        runs: Strategy label to its runs, one per seed, sorted by seed.
        config: The config of one run per recipe.
        differences: Config keys in which the recipes differ, with the value in each.
    """

    dataset: str
    backbone: str
    label: str
    recipes: list[str]
    runs: dict[str, list[Run]]
    config: list[dict[str, Any]] = field(default_factory=list, repr=False)
    differences: dict[str, list[str]] = field(default_factory=dict)

    @property
    def strategies(self) -> list[str]:
        """Strategy labels in alphabetical order, upper and lower case alike."""
        return sorted(self.runs, key=lambda name: (name.casefold(), name))

    @property
    def seeds(self) -> list[PairKey]:
        """Every seed that at least one strategy has."""
        return sorted({run.pair_key for group in self.runs.values() for run in group})

    @cached_property
    def grid(self) -> FloatArray:
        """All labelled-set sizes that were visited, increasing, shape ``(G,)``."""
        return np.unique(np.concatenate([run.n_labeled for group in self.runs.values() for run in group]))

    def on_grid(self, strategy: str, column: str = "test_acc") -> FloatArray:
        """Put a column of a strategy's runs on the common grid of sizes.

        Args:
            strategy: Strategy label.
            column: Column of ``rounds.csv``.

        Returns:
            Shape ``(n_runs, G)``, rows as in ``runs[strategy]``, NaN where a run has no such size or column.
        """
        grid = self.grid
        values = np.full((len(self.runs[strategy]), grid.size), math.nan)
        for row, run in zip(values, self.runs[strategy], strict=True):
            if column in run.columns:
                row[np.searchsorted(grid, run.n_labeled)] = run.columns[column]
        return values

    def per_seed(self, strategy: str, value: Callable[[Run], float]) -> dict[PairKey, float]:
        """One number per seed of a strategy.

        Args:
            strategy: Strategy label.
            value: What to read from a run, e.g. ``lambda run: run.aubc``.

        Returns:
            Seed to number, to be joined with another strategy's.
        """
        return {run.pair_key: value(run) for run in self.runs[strategy]}


def collect(
    roots: Iterable[str | Path],
    setting_keys: Sequence[str] = (),
    allow_mixed_recipes: bool = False,
    track: Callable[[Sequence[Path], str], Iterable[Path]] | None = None,
) -> tuple[list[Setting], list[Problem]]:
    """Read every run below some folders and group the finished ones.

    Args:
        roots: Run directories, multirun directories or any tree above them.
        setting_keys: Config keys (e.g. ``loop.n_query``) that tell settings apart beside data set and backbone.
        allow_mixed_recipes: Put runs of different recipes into one setting instead of refusing.
        track: Wraps the sequence of directories to show progress.

    Returns:
        The settings, and what was left out or is missing.

    Raises:
        AutoALError: If no run finished, or recipes would be mixed.
    """
    roots = list(roots)
    paths = find_runs(roots)
    where = ", ".join(map(str, roots))
    if not paths:
        raise AutoALError(f"no run directory at or below {where}; a run has {SUMMARY} and {ROUNDS}")
    runs: list[Run] = []
    problems: list[Problem] = []
    for path in track(paths, "reading runs") if track else paths:
        try:
            answer = read_run(path)
        except DamagedRun as error:
            answer = Problem("damaged", str(path), str(error))
        if isinstance(answer, Run):
            runs.append(answer)
        else:
            problems.append(answer)
    if not runs:
        first = problems[0]
        raise AutoALError(
            f"no finished run among the {len(paths)} below {where}; the first is {first.kind}: "
            f"{first.where}: {first.message}"
        )
    settings, more = group_runs(runs, setting_keys, allow_mixed_recipes)
    return settings, problems + more


def group_runs(
    runs: Sequence[Run], setting_keys: Sequence[str] = (), allow_mixed_recipes: bool = False
) -> tuple[list[Setting], list[Problem]]:
    """Group runs by data set, backbone and recipe, then by strategy and seed.

    Args:
        runs: Finished runs.
        setting_keys: Config keys that tell settings apart beside data set and backbone.
        allow_mixed_recipes: Put runs of different recipes into one setting instead of refusing.

    Returns:
        The settings sorted by label, and duplicated and missing seeds.

    Raises:
        AutoALError: If one setting would hold several recipes and that was not allowed.
    """
    configs = {run.recipe: read_config(run.path) for run in reversed(runs)}
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        flat = flatten(configs[run.recipe]) if setting_keys else {}
        extras = tuple(str(flat.get(key, "-")) for key in setting_keys)
        training = str(run.summary.get("training") or "")
        groups.setdefault((run.dataset, run.backbone, training, *extras), []).append(run)

    settings, problems = [], []
    for key, members in sorted(groups.items()):
        parts = [f"{k.rsplit('.', 1)[-1]}={v}" for k, v in zip(setting_keys, key[3:], strict=True) if v != "-"]
        label = " / ".join([*(part for part in key[:3] if part), *parts])
        recipes = sorted({run.recipe for run in members})
        differences = differing_keys([configs[recipe] for recipe in recipes]) if len(recipes) > 1 else {}
        if len(recipes) > 1:
            if not allow_mixed_recipes:
                raise _mixed(label, recipes, members, differences)
            problems.append(Problem("warning", label, f"mixes {len(recipes)} recipes: {_listed(differences)}"))
        label_variants(members)
        if len(recipes) > 1:
            label_recipes(members, differences, recipes)
        by_strategy, duplicated = _by_seed(members)
        problems += duplicated
        setting = Setting(
            key[0], key[1], label, recipes, by_strategy, [configs[recipe] for recipe in recipes], differences
        )
        problems += _missing(setting) + _uneven(setting)
        settings.append(setting)
    return settings, problems


def _mixed(
    label: str, recipes: Sequence[str], members: Sequence[Run], differences: dict[str, list[str]]
) -> AutoALError:
    counts = ", ".join(f"{recipe}: {sum(run.recipe == recipe for run in members)} runs" for recipe in recipes)
    keys = [key for key in differences if "." in key]
    hint = f"--setting {keys[0]} if that is a setting of its own, " if keys else ""
    return AutoALError(
        f"{label} has runs of {len(recipes)} recipes ({counts}) that differ in {_listed(differences)}; "
        f"report them apart, pass {hint}or --allow-mixed-recipes to draw them together"
    )


def _listed(differences: dict[str, list[str]], most: int = 8) -> str:
    if not differences:
        return "keys that the stored configs do not show"
    shown = [f"{key} ({' | '.join(dict.fromkeys(values))})" for key, values in list(differences.items())[:most]]
    more = f" and {len(differences) - most} more" if len(differences) > most else ""
    return ", ".join(shown) + more


def _by_seed(members: Sequence[Run]) -> tuple[dict[str, list[Run]], list[Problem]]:
    cells: dict[str, dict[PairKey, list[Run]]] = {}
    for run in members:
        cells.setdefault(run.strategy, {}).setdefault(run.pair_key, []).append(run)
    problems = []
    for strategy, seeds in cells.items():
        for (_, seed), same in seeds.items():
            if len(same) > 1:
                # The newest by the time its summary was written; the path decides where that is equal.
                same.sort(key=lambda run: ((run.path / SUMMARY).stat().st_mtime, str(run.path)))
                finals = ", ".join(f"{run.final_acc:.4f}" for run in same)
                problems.append(
                    Problem(
                        "duplicate",
                        str(same[-1].path),
                        f"{strategy} seed {seed} finished {len(same)} times (final accuracies {finals}); "
                        f"the newest is used, not {', '.join(str(run.path) for run in same[:-1])}",
                    )
                )
    kept = {strategy: [seeds[key][-1] for key in sorted(seeds)] for strategy, seeds in cells.items()}
    return kept, problems


def _missing(setting: Setting) -> list[Problem]:
    problems = []
    for origin in sorted({key[0] for key in setting.seeds}):
        everything = {key for key in setting.seeds if key[0] == origin}
        for strategy in setting.strategies:
            own = {run.pair_key for run in setting.runs[strategy]}
            if own.isdisjoint(everything) or own >= everything:
                continue
            seeds = ", ".join(str(seed) for _, seed in sorted(everything - own))
            noun = "seed" if len(everything - own) == 1 else "seeds"
            problems.append(Problem("missing", setting.label, f"{strategy} lacks {noun} {seeds}"))
    return problems


def _uneven(setting: Setting) -> list[Problem]:
    ranges = {(run.n_labeled[0], run.n_labeled[-1]) for group in setting.runs.values() for run in group}
    if len(ranges) == 1:
        return []
    shown = ", ".join(f"{first:g}-{last:g}" for first, last in sorted(ranges))
    return [
        Problem(
            "warning", setting.label, f"curves cover different sizes ({shown}); AUBC and final accuracy differ"
        )
    ]
