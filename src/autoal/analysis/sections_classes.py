"""Section of the page about classes: how well each is told, and what it is taken for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoal.analysis.charts_classes import accuracy_chart, confusion_chart
from autoal.analysis.classes import ClassResult, ClassSummary
from autoal.analysis.items import Item, PageInput, chart_item, note_item, section_item, table_item
from autoal.analysis.results import SettingResult
from autoal.analysis.tables import Column, Table

__all__ = ["class_scores_table", "class_sections"]

CHART_CLASSES = 40
"""Classes up to which a confusion matrix can be read as a picture."""
WORST = 20
"""Confusions that are listed where there are more classes."""


def class_scores_table(results: Sequence[tuple[str, ClassSummary]]) -> Table:
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


def class_sections(result: SettingResult, content: PageInput) -> list[Item]:
    """Scores, accuracy per class and confusions; nothing where no run has kept its predictions.

    Args:
        result: The setting.
        content: The page.
    """
    summary = result.classes
    if not summary.results:
        return []
    options = [
        {"label": r.name, "items": _confusions(summary.classes, r, i)} for i, r in enumerate(summary.results)
    ]
    items: list[Item] = [
        table_item(class_scores_table([("", summary)]), ["setting"]),
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
