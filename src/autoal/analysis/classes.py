"""How well each class is told apart at the end: confusion matrix, accuracy per class, macro F1, AUROC."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoal.analysis.curves import FloatArray
from autoal.analysis.runs import Problem, Run
from autoal.analysis.settings import Setting
from autoal.analysis.stats import mean_ci
from autoal.errors import AutoALError
from autoal.humans.stopping import Trend, trend
from autoal.rundir.names import LEDGER
from autoal.rundir.predictions import Predictions

__all__ = ["ClassResult", "ClassSummary", "macro_f1", "summarise_classes"]

MAX_CLASSES = 1000


@dataclass(frozen=True)
class ClassResult:
    """The last round of one strategy.

    Attributes:
        name: The strategy.
        confusion: How often each class was taken for each, summed over its runs, truth by prediction, ``(C, C)``.
        f1: Macro F1 of each run as (mean, sd, half width, runs).
        auroc: Macro AUROC, likewise; NaN where it was not measured.
        trends: What the last rounds changed in each run; None where there were too few.
    """

    name: str
    confusion: NDArray[np.int64]
    f1: tuple[float, float, float, int]
    auroc: tuple[float, float, float, int]
    trends: Sequence[Trend | None]

    @property
    def accuracy(self) -> FloatArray:
        """Share of each class that was recognised, ``(C,)``; NaN for a class without test samples."""
        counts = self.confusion.sum(axis=1)
        return np.where(counts > 0, np.diag(self.confusion) / np.maximum(counts, 1), math.nan)


@dataclass(frozen=True)
class ClassSummary:
    """The last rounds of a setting's strategies.

    Attributes:
        classes: Names of the classes, or their numbers.
        results: One per strategy whose runs kept their predictions.
        problems: Files that could not be read.
    """

    classes: list[str] = field(default_factory=list)
    results: list[ClassResult] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def macro_f1(confusion: NDArray[np.int64]) -> float:
    r"""Return the mean over classes of :math:`F_1 = 2 TP / (2 TP + FP + FN)`.

    A class that occurs neither among the samples nor among the predictions is left out.

    Args:
        confusion: Truth by prediction, ``(C, C)``.

    Example:
        >>> macro_f1(np.array([[2, 0], [2, 4]]))
        0.7333333333333334
    """
    right = np.diag(confusion).astype(float)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(2 * right[total > 0] / total[total > 0])) if total.any() else math.nan


def summarise_classes(setting: Setting, alpha: float = 0.05) -> ClassSummary:
    """Read the test predictions of a setting's runs.

    Args:
        setting: The setting.
        alpha: Error level of intervals.

    Returns:
        The summary; empty where no run kept its predictions.
    """
    problems: list[Problem] = []
    kept: dict[str, list[Predictions]] = {}
    for run in (run for name in setting.strategies for run in setting.runs[name]):
        try:
            found = Predictions.read(run.path)
        except AutoALError as error:
            problems.append(Problem("damaged", str(run.path), f"{error}; left out of what is said about classes"))
            continue
        if found is not None:
            kept.setdefault(run.strategy, []).append(found)
    every = [p for group in kept.values() for p in group]
    n = 1 + max((int(max(p.predicted.max(), p.targets.max())) for p in every), default=-1)
    if not every or n > MAX_CLASSES:
        return ClassSummary(problems=problems)
    names = class_names([run for group in setting.runs.values() for run in group])
    results = [_result(name, kept[name], n, alpha) for name in setting.strategies if name in kept]
    return ClassSummary([names.get(k, str(k)) for k in range(n)], results, problems)


def _result(name: str, kept: Sequence[Predictions], n: int, alpha: float) -> ClassResult:
    each = [p.confusion(-1, n) for p in kept]
    areas = [float(p.auroc[-1]) for p in kept if math.isfinite(p.auroc[-1])]
    return ClassResult(
        name,
        np.sum(each, axis=0),
        mean_ci([macro_f1(c) for c in each], alpha),
        mean_ci(areas, alpha) if areas else (math.nan, math.nan, math.nan, 0),
        [trend(p) for p in kept],
    )


def class_names(runs: Sequence[Run]) -> Mapping[int, str]:
    """Return the names of classes that a ledger of the runs has, by number.

    Args:
        runs: Runs of one data set.
    """
    found: dict[int, str] = {}
    for run in runs[:3]:
        for line in _lines(run.path / LEDGER):
            if isinstance(line.get("class"), str) and isinstance(line.get("label"), int):
                found[line["label"]] = line["class"]
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        raw = path.read_text(encoding="utf-8")
        # Only ledgers of files name their classes; the others are long, and are not parsed for nothing.
        return [json.loads(line) for line in raw.splitlines()] if '"class"' in raw[:4000] else []
    except (OSError, ValueError):
        return []
