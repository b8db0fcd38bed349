"""Section of the page on whether to go on, and how many labels an accuracy takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autoal.analysis.classes import ClassSummary
from autoal.analysis.items import Item, section_item, table_item
from autoal.analysis.results import SettingResult
from autoal.analysis.stats import mean_ci
from autoal.analysis.tables import Column, Table
from autoal.humans.stopping import STABLE, WINDOW, Trend, advice

__all__ = ["reach_item", "stopping_sections", "stopping_table"]


def reach_item(result: SettingResult) -> Item:
    """How many labels each strategy needs for an accuracy that the reader chooses.

    Args:
        result: The setting.
    """
    curves = [
        {"name": s.name, "sizes": s.curve.sizes.tolist(), "acc": [round(float(a), 6) for a in s.curve.mean]}
        for s in result.strategies
    ]
    best = max((float(np.nanmax(s.curve.mean)) for s in result.strategies if s.curve.mean.size), default=0.0)
    return {"type": "reach", "id": "reach", "curves": curves, "start": math.floor(1000 * best - 1e-9) / 10}


def stopping_table(results: Sequence[tuple[str, ClassSummary]]) -> Table:
    """What the last rounds have changed, and what that advises.

    Args:
        results: Setting and its classes.
    """
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("runs", "Runs", "int"),
        Column("gain", f"Gain of {WINDOW} rounds", "points", "Test accuracy now minus that of so many rounds ago"),
        Column("low", "95% from", "points"),
        Column("high", "to", "points"),
        Column("stability", "Stability", "number", "Least kappa of two successive rounds' predictions; no labels"),
        Column("advice", "Advice"),
    ]
    rows = []
    for label, summary in results:
        for r in summary.results:
            whole = _together([t for t in r.trends if t is not None])
            cells = [math.nan] * 4 if whole is None else [whole.gain, whole.low, whole.high, whole.stability]
            rows.append([label, r.name, len(r.trends), *cells, advice(whole).partition(":")[0]])
    return Table(columns, rows)


def _together(trends: Sequence[Trend]) -> Trend | None:
    """Return the mean of several runs' trends; its interval is over the runs where there are two or more."""
    if len(trends) < 2:
        return trends[0] if trends else None
    mean, _, half, _ = mean_ci([t.gain for t in trends])
    return Trend(mean, mean - half, mean + half, float(np.mean([t.stability for t in trends])))


def stopping_sections(result: SettingResult) -> list[Item]:
    """What the last rounds have gained; nothing where no run has kept its predictions.

    Args:
        result: The setting.
    """
    if not result.classes.results:
        return []
    text = (
        f"More labels seem worth it while the gain's interval lies above 0. You may stop where it does not and "
        f"the predictions have settled: two successive rounds agree with kappa {STABLE:g} or more. With one run "
        "the interval is over its test samples, with several over runs. Curves pause and rise again."
    )
    table = table_item(stopping_table([("", result.classes)]), ["setting"])
    return [section_item("stopping", "Stopping", "Is it worth going on?", text, [table])]
