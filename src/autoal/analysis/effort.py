"""What people have cost in runs that asked them, round by round, and whether shown suggestions swayed them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autoal.analysis.runs import Problem, Run
from autoal.analysis.settings import Setting
from autoal.analysis.tables import Column, Table
from autoal.errors import AutoALError
from autoal.humans.answers import Desk
from autoal.humans.standing import Answer, current

__all__ = ["Effort", "Sway", "effort_table", "summarise_effort", "sway_of", "sway_table"]

COLUMNS = ("people_answers", "people_skips", "people_relabels", "people_seconds")


@dataclass(frozen=True)
class Sway:
    """How often people agreed with the model's suggestion.

    Attributes:
        shown: Labels given while the suggestion was on the screen.
        shown_equal: Those among them that equal it.
        hidden: Labels given while it was not.
        hidden_equal: Those among them that equal it.
    """

    shown: int = 0
    shown_equal: int = 0
    hidden: int = 0
    hidden_equal: int = 0

    def __add__(self, other: Sway) -> Sway:
        return Sway(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Effort:
    """The people's part of a setting.

    Attributes:
        rows: (strategy, round, labels, answers, skips, relabels, seconds), means over the strategy's runs.
        sways: Strategy to its :class:`Sway`, where suggestions were there at all.
        problems: Answers that could not be read.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    sways: dict[str, Sway] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def summarise_effort(setting: Setting) -> Effort:
    """Read what people have cost in a setting; empty where nobody was asked.

    Args:
        setting: The setting.
    """
    found = Effort()
    for name in setting.strategies:
        runs = [run for run in setting.runs[name] if COLUMNS[0] in run.columns]
        if not runs:
            continue
        for i in range(max(len(run.n_labeled) for run in runs)):
            there = [run for run in runs if i < len(run.n_labeled)]
            cells = [_mean([run.columns.get(key, [math.nan] * (i + 1))[i] for run in there]) for key in COLUMNS]
            found.rows.append((name, float(i), _mean([run.n_labeled[i] for run in there]), *cells))
        sway = Sway()
        for run in runs:
            try:
                sway += _sway(run)
            except AutoALError as error:
                found.problems.append(Problem("damaged", str(run.path), str(error)))
        if sway.shown or sway.hidden:
            found.sways[name] = sway
    return found


def _mean(values: Sequence[float]) -> float:
    finite = [float(v) for v in values if math.isfinite(v)]
    return float(np.mean(finite)) if finite else math.nan


def _sway(run: Run) -> Sway:
    desk = Desk(run.path)
    suggested = {a.id: a.suggestion for query in desk.queries() for a in query.items if a.suggestion is not None}
    return sway_of(desk.answers(), suggested)


def sway_of(answers: Sequence[Answer], suggested: dict[str, str]) -> Sway:
    """Count how often the last word of each annotator equals the suggestion, shown and hidden.

    Args:
        answers: Every line of ``answers.jsonl``.
        suggested: Item to the model's suggestion.
    """
    found = Sway()
    for item, said in current(answers).items():
        for answer in said.values():
            if answer["action"] != "label" or item not in suggested:
                continue
            equal = int(answer["label"] == suggested[item])
            found += Sway(1, equal) if answer.get("shown") else Sway(0, 0, 1, equal)
    return found


def effort_table(efforts: Sequence[tuple[str, Effort]]) -> Table:
    """What people have cost per round.

    Args:
        efforts: Setting and its effort.
    """
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("round", "Round", "int"),
        Column("n_labeled", "Labels", "int"),
        Column("answers", "Answers", "number", "Labels and skips, corrections and second annotators included"),
        Column("skips", "Skips", "number"),
        Column("relabels", "Corrections", "number"),
        Column("seconds", "Seconds", "number", "Pauses above two minutes count as one typical image"),
        Column("seconds_each", "Seconds each", "number", "Seconds per answer"),
    ]
    rows = [
        [label, *row, row[-1] / row[3] if row[3] else math.nan] for label, effort in efforts for row in effort.rows
    ]
    return Table(columns, rows)


def sway_table(efforts: Sequence[tuple[str, Effort]]) -> Table:
    """How often people agreed with suggestions that they saw, and with those that they did not.

    Args:
        efforts: Setting and its effort.
    """
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("shown", "Labels, shown", "int", "Labels given while the suggestion was on the screen"),
        Column("shown_equal", "equal to it %", "percent"),
        Column("hidden", "Labels, hidden", "int"),
        Column("hidden_equal", "equal to it % ", "percent"),
        Column("difference", "Difference", "points", "How much more often people agreed where they saw it"),
    ]
    rows = []
    for label, effort in efforts:
        for name, s in effort.sways.items():
            shown = s.shown_equal / s.shown if s.shown else math.nan
            hidden = s.hidden_equal / s.hidden if s.hidden else math.nan
            rows.append([label, name, s.shown, shown, s.hidden, hidden, shown - hidden])
    return Table(columns, rows)
