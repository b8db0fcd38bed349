"""Write results of other toolkits as run directories, so that a report reads them like its own."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autoal.analysis.curves import aubc
from autoal.analysis.names import slug
from autoal.errors import AutoALError
from autoal.files import atomic_open, write_json
from autoal.rundir.names import CONFIG, ROUNDS, SUMMARY
from autoal.rundir.state import read_summary

__all__ = ["ImportedRun", "check_curve", "write_runs"]


@dataclass(frozen=True)
class ImportedRun:
    """One curve of another toolkit.

    Attributes:
        source: The file that it was read from.
        toolkit: ``deepal``, ``alfamix`` or ``csv``; seeds of one toolkit pair only with each other.
        dataset: Data-set name.
        backbone: Backbone name.
        strategy: Strategy name.
        seed: Seed.
        n_labeled: Labelled-set sizes.
        acc: Test accuracies, fractions.
        settings: What defines the curve beside strategy and seed, nested like a config.
        seconds: Seconds of the selection of each round, where known.
        complete: False if the file ends before its last round.
        message: Shown with the run.
    """

    source: Path
    toolkit: str
    dataset: str
    backbone: str
    strategy: str
    seed: int
    n_labeled: Sequence[float]
    acc: Sequence[float]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: Sequence[float] | None = None
    complete: bool = True
    message: str = ""

    @property
    def config(self) -> dict[str, Any]:
        """The settings as a config, without strategy and seed."""
        named = {"dataset": {"name": self.dataset}, "backbone": {"name": self.backbone}}
        return named | {"import": {"toolkit": self.toolkit}} | {k: dict(v) for k, v in self.settings.items()}

    @property
    def recipe(self) -> str:
        """Hash of :attr:`config`."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()[:10]


def check_curve(where: str, n_labeled: Sequence[float], acc: Sequence[float]) -> None:
    """Refuse what is no learning curve.

    Args:
        where: File (and line or series) for the message.
        n_labeled: Labelled-set sizes.
        acc: Test accuracies.

    Raises:
        AutoALError: If the sizes do not increase or an accuracy is no fraction.
    """
    if not acc:
        raise AutoALError(f"{where} holds no accuracy")
    if np.any(np.diff(np.asarray(n_labeled, dtype=float)) <= 0):
        raise AutoALError(f"{where}: the labelled-set sizes do not increase")
    bad = [value for value in acc if not 0.0 <= value <= 1.0]
    if bad:
        hint = "; pass --percent if accuracies are percentages" if 1.0 < max(bad) <= 100.0 else ""
        raise AutoALError(f"{where}: accuracy {bad[0]:g} is not between 0 and 1{hint}")


def write_runs(runs: Iterable[ImportedRun], out: Path) -> list[Path]:
    """Write one run directory per curve.

    Args:
        runs: The curves.
        out: Folder for them.

    Returns:
        The directories.

    Raises:
        AutoALError: If two curves are the same strategy, seed and recipe, or a directory holds a run that was
            not imported.
    """
    targets: dict[Path, ImportedRun] = {}
    for run in runs:
        path = out / slug(run.dataset) / slug(run.backbone) / run.recipe / slug(run.strategy) / f"seed={run.seed}"
        if path in targets:
            raise AutoALError(
                f"{run.source} and {targets[path].source} both hold {run.strategy} seed {run.seed} "
                f"of {run.dataset} / {run.backbone}"
            )
        if (path / SUMMARY).exists() and "imported_from" not in (read_summary(path) or {}):
            raise AutoALError(f"{path} already holds a run that was not imported; choose another --out")
        targets[path] = run
    for path, run in targets.items():
        _write_run(path, run)
    return list(targets)


def _write_run(path: Path, run: ImportedRun) -> None:
    import yaml

    with atomic_open(path / CONFIG) as file:
        # JSON round trip: settings read from elsewhere hold nothing that plain YAML cannot.
        yaml.safe_dump(json.loads(json.dumps(run.config)) | {"seed": run.seed}, file, sort_keys=False)
    with atomic_open(path / ROUNDS) as file:
        writer = csv.writer(file, lineterminator="\n")
        names = ["round", "n_labeled", "test_acc"] + (["seconds_select"] if run.seconds else [])
        writer.writerow(names)
        for index, (size, accuracy) in enumerate(zip(run.n_labeled, run.acc, strict=True)):
            extra = [run.seconds[index]] if run.seconds else []
            writer.writerow([index, f"{size:g}", repr(float(accuracy)), *extra])
    write_json(
        path / SUMMARY,
        {
            "status": "finished" if run.complete else "interrupted",
            "dataset": run.dataset,
            "backbone": run.backbone,
            "strategy": run.strategy,
            "seed": run.seed,
            "recipe": run.recipe,
            "final_acc": float(run.acc[-1]),
            "aubc": aubc(run.n_labeled, run.acc),
            "n_labeled": run.n_labeled[-1],
            "rounds": len(run.acc),
            "seconds": None,
            "versions": {},
            "device": None,
            "git_commit": None,
            "message": run.message,
            "imported_from": run.toolkit,
            "imported_file": str(run.source),
        },
    )
