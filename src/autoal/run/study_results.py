"""The results of a study: CSV files that a repository keeps, filled by one machine or by several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoal.config.root import plain
from autoal.files import atomic_open
from autoal.run.compose import compose_config
from autoal.run.study_runs import Setting, StudyRun, study_runs
from autoal.rundir.names import ROUNDS
from autoal.rundir.recipe import recipe_hash
from autoal.rundir.state import is_finished, load_summary


def recorded(runs: Sequence[StudyRun], results: Path) -> set[tuple[str, str, int]]:
    """Say which runs the results hold already, under the recipe that they would have today.

    The recipe does not tell the options of a strategy: who changes them takes the strategy's rows out of the CSV.

    Args:
        runs: The runs in question.
        results: The folder of the CSV files, one per setting.

    Returns:
        ``(setting, label, seed)`` of each.
    """
    import pandas as pd

    found: set[tuple[str, str, int]] = set()
    for name in {run.setting.name for run in runs}:
        path = results / f"{name}.csv"
        if not path.exists():
            continue
        first = next(run for run in runs if run.setting.name == name)
        known = pd.read_csv(path, usecols=["strategy", "seed", "recipe"], dtype={"recipe": str}).drop_duplicates()
        known = known[known["recipe"] == _recipe(first)]
        found |= {
            (name, label, seed)
            for label, seed in zip(known["strategy"].tolist(), known["seed"].tolist(), strict=True)
        }
    return found & {(run.setting.name, run.label, run.seed) for run in runs}


def _recipe(run: StudyRun) -> str:
    # The run directory's name is the time's; it is no part of the recipe.
    return recipe_hash(plain(compose_config([*run.overrides, "paths.run_dir=unused"])))


def collect(settings: Sequence[Setting], root: Path, results: Path) -> dict[str, int]:
    """Write one CSV per setting with every round of every finished run; returns the number of runs in each.

    Runs that the CSV holds and ``root`` does not (another machine's) stay, unless their recipe is another one.
    """
    import pandas as pd

    counts: dict[str, int] = {}
    for setting in settings:
        tables = []
        for cell in study_runs([setting]):
            run_dir = cell.run_dir(root)
            if not is_finished(run_dir):
                continue
            summary = load_summary(run_dir)
            table = pd.read_csv(run_dir / ROUNDS)
            # The last digits belong to the machine; runs of older versions did not record it.
            for key in ("threads", "cpu"):
                if key in summary:
                    table[key] = summary[key]
            table.insert(0, "recipe", summary["recipe"])
            table.insert(0, "seed", cell.seed)
            table.insert(0, "strategy", cell.label)
            table.insert(0, "setting", setting.name)
            tables.append(table)
        path = results / f"{setting.name}.csv"
        if tables and path.exists():
            known = pd.read_csv(path, dtype={"recipe": str, "cpu": str})
            fresh = pd.concat(tables)
            here = pd.MultiIndex.from_frame(fresh[["strategy", "seed"]])
            there = pd.MultiIndex.from_frame(known[["strategy", "seed"]])
            kept = known[~there.isin(here) & known["recipe"].isin(fresh["recipe"])]
            tables += [run for _, run in kept.groupby(["strategy", "seed"], sort=False)]
        if tables:
            with atomic_open(path) as file:
                pd.concat(tables).to_csv(file, index=False, float_format="%.6g")
        counts[setting.name] = len(tables)
    return counts
