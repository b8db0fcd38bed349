"""Sections of the page about classes, about what was bought, and about what labels cost people."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autoal.analysis.charts_classes import accuracy_chart, confusion_chart
from autoal.analysis.classes import ClassResult, ClassSummary
from autoal.analysis.effort import effort_table, sway_table
from autoal.analysis.items import Item, PageInput, chart_item, note_item, section_item, table_item
from autoal.analysis.results import SettingResult
from autoal.analysis.tables import Column, Table
from autoal.analysis.thumbnails import albums
from autoal.humans.stopping import STABLE, WINDOW, Trend, advice

__all__ = ["class_table", "people_sections", "reach_item", "stopping_table"]

CHART_CLASSES = 40
"""Classes up to which a confusion matrix can be read as a picture."""
WORST = 20


def people_sections(result: SettingResult, content: PageInput) -> list[Item]:
    """Classes, pictures, cost to people, and whether to go on.

    Args:
        result: The setting.
        content: The page.

    Returns:
        The sections; those without data are left out.
    """
    return _classes(result, content) + _pictures(result) + _effort(result) + _stopping(result)


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


def class_table(results: Sequence[tuple[str, ClassSummary]]) -> Table:
    """Macro F1 and AUROC of every strategy after its last round.

    Args:
        results: Setting and its classes.
    """
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("runs", "Runs", "int"),
        Column("macro_f1", "Macro F1 %", "percent", "Harmonic mean of precision and recall, mean over classes"),
        Column("macro_f1_sd", "sd", "percent"),
        Column("auroc", "AUROC %", "percent", "Area under the ROC curve of a class against the rest, mean"),
        Column("auroc_sd", "sd ", "percent"),
        Column("worst", "Worst class"),
        Column("worst_acc", "its accuracy %", "percent"),
    ]
    rows = []
    for label, summary in results:
        for r in summary.results:
            acc = r.accuracy
            worst = int(np.nanargmin(acc))
            rows.append(
                [label, r.name, r.f1[3], *r.f1[:2], *r.auroc[:2], summary.classes[worst], float(acc[worst])]
            )
    return Table(columns, rows)


def _classes(result: SettingResult, content: PageInput) -> list[Item]:
    summary = result.classes
    if not summary.results:
        return []
    options = [
        {"label": r.name, "items": _confusions(summary.classes, r, i)} for i, r in enumerate(summary.results)
    ]
    items: list[Item] = [
        table_item(class_table([("", summary)]), ["setting"]),
        {"type": "heading", "text": "Accuracy per class"},
        chart_item(accuracy_chart(summary, content.styles), "chart-class-accuracy"),
        {"type": "heading", "text": "Confusion matrix"},
        {"type": "choice", "label": "Strategy", "options": options},
    ]
    intro = "The last round's predictions of the test samples, all seeds of a strategy together."
    return [section_item("classes", "Classes", "Classes", intro, items)]


def _confusions(classes: Sequence[str], result: ClassResult, number: int) -> list[Item]:
    if len(classes) <= CHART_CLASSES:
        return [chart_item(confusion_chart(classes, result), f"chart-confusion-{number}")]
    off = result.confusion.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:WORST]
    pairs = [(int(i) // len(classes), int(i) % len(classes)) for i in order]
    rows = []
    for a, b in pairs:
        if off[a, b]:
            rows.append([classes[a], classes[b], int(off[a, b]), off[a, b] / result.confusion[a].sum()])
    columns = [Column("class", "Class"), Column("taken_for", "taken for"), Column("n", "Samples", "int"),
               Column("share", "of the class %", "percent")]  # fmt: skip
    note = note_item(f"With {len(classes)} classes a picture can't be read: the {WORST} most frequent confusions.")
    return [note, table_item(Table(columns, rows))]


def _pictures(result: SettingResult) -> list[Item]:
    found = albums(result.setting)
    if not found:
        return []
    options = [
        {
            "label": name,
            "items": [
                {"type": "pictures", "label": b.label, "pictures": [{"src": s, "title": t} for s, t in b.pictures]}
                for b in rounds
            ],
        }
        for name, rounds in found.items()
    ]
    intro = "What the first run of a strategy bought in each round; the words of a picture are its class and path."
    choice = {"type": "choice", "label": "Strategy", "options": options}
    return [section_item("bought", "Pictures", "What was bought, in pictures", intro, [choice])]


def _effort(result: SettingResult) -> list[Item]:
    if not result.effort.rows:
        return []
    items: list[Item] = [table_item(effort_table([("", result.effort)]), ["setting"])]
    if result.effort.sways:
        items += [
            {"type": "heading", "text": "Suggestions"},
            {"type": "text", "text": _SWAY_TEXT},
            table_item(sway_table([("", result.effort)]), ["setting"]),
        ]
    return [section_item("people", "People", "What the labels cost people", "Means over runs.", items)]


_SWAY_TEXT = (
    "How often a label equals the model's suggestion, where people saw it and where they did not. The images "
    "differ, so a difference is a hint that suggestions sway people, and no proof."
)


def stopping_table(results: Sequence[tuple[str, ClassSummary]]) -> Table:
    """What the last rounds have changed, and what that advises.

    Args:
        results: Setting and its classes.
    """
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("runs", "Runs", "int"),
        Column("gain", f"Gain of {WINDOW} rounds", "points", "Test accuracy now less that of so many rounds ago"),
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
    from autoal.analysis.stats import mean_ci

    mean, _, half, _ = mean_ci([t.gain for t in trends])
    return Trend(mean, mean - half, mean + half, float(np.mean([t.stability for t in trends])))


def _stopping(result: SettingResult) -> list[Item]:
    if not result.classes.results:
        return []
    text = (
        f"More labels seem worth it while the gain's interval lies above 0. You may stop where it does not and "
        f"the predictions have settled: two successive rounds agree with kappa {STABLE:g} or more. With one run "
        "the interval is over its test samples, with several over runs. Curves pause and rise again."
    )
    table = table_item(stopping_table([("", result.classes)]), ["setting"])
    return [section_item("stopping", "Stopping", "Is it worth going on?", text, [table])]
