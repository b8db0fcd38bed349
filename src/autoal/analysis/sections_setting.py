"""Sections of the page about one setting."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoal.analysis import builders
from autoal.analysis.bands import BANDS
from autoal.analysis.charts import curve_chart, difference_chart, weight_chart
from autoal.analysis.charts_compare import class_chart, overlap_chart, penalty_chart, seconds_chart, share_chart
from autoal.analysis.items import Item, PageInput, chart_item, note_item, section_item, table_item
from autoal.analysis.pairwise import PairRow
from autoal.analysis.recipes import config_text
from autoal.analysis.results import SettingResult
from autoal.analysis.sections_classes import class_sections
from autoal.analysis.sections_people import people_sections
from autoal.analysis.sections_stopping import reach_item, stopping_sections
from autoal.analysis.stats import MIN_BOOTSTRAP, MIN_TEST
from autoal.analysis.tables import Table
from autoal.analysis.thumbnails import albums
from autoal.analysis.win_shares import win_share_table, win_shares

__all__ = ["setting_sections"]


def setting_sections(result: SettingResult, content: PageInput) -> list[Item]:
    """Curves, results, comparison, time, selection, weights and config of a setting.

    Args:
        result: The setting.
        content: The page.

    Returns:
        The sections; those without data are left out.
    """
    sections = [_curves(result, content), _results(result, content), _pairs(result, content)]
    seconds = seconds_chart(result)
    if seconds:
        intro = "Mean over runs of the seconds that each phase took in all rounds together."
        table = {
            "type": "folded",
            "label": "Table",
            "items": [table_item(builders.seconds_table([result]), ["setting"])],
        }
        sections.append(
            section_item("time", "Time", "Seconds by phase", intro, [chart_item(seconds, "chart-seconds"), table])
        )
    sections += class_sections(result, content) + _pictures(result)
    sections += people_sections(result) + stopping_sections(result)
    sections += _selection(result, content) + _weights(result, content) + [_config(result)]
    return sections


def _curves(result: SettingResult, content: PageInput) -> Item:
    level = f"{100 * (1 - content.alpha):g}% " if content.band == "ci" else ""
    intro = (
        f"Mean over seeds; the band on both sides is the {level}{BANDS[content.band]}. "
        "Click a name in the legend to hide a strategy, double-click to see no other."
    )
    items: list[Item] = [{"type": "seeds", "chart": "chart-curves"}]
    return section_item(
        "curves", "Curves", "Learning curves", intro,
        [*items, chart_item(curve_chart(result, content.styles, content.band), "chart-curves")],
    )  # fmt: skip


def _results(result: SettingResult, content: PageInput) -> Item:
    table = builders.result_table([result], 100 * (1 - content.alpha))
    drop = ["setting"]
    if result.baseline is None:
        drop += ["labels_to_target", "label_savings", "seeds_reaching_target"]
    if not any(s.seconds for s in result.strategies):
        drop.append("seconds")
    intro = "AUBC is the mean accuracy over the labelled-set sizes visited (trapezoid divided by the range). "
    if result.baseline:
        intro += (
            f"Labels to target: where the mean curve first reaches {100 * result.target:.2f}%, the accuracy at "
            f"which {result.baseline} ends; saved is relative to the labels that {result.baseline} itself needed. "
        )
    intro += f"Ranks are over the {result.shared_seeds} seeds that all strategies have."
    return section_item(
        "results",
        "Results",
        "Accuracy, ranks and label savings",
        intro,
        [
            table_item(table, drop, "results-table"),
            {"type": "heading", "text": "Labels for an accuracy of your choice"},
            reach_item(result),
        ],
    )


def _pairs(result: SettingResult, content: PageInput) -> Item:
    items: list[Item] = []
    if len(result.strategies) < 2:
        items.append(note_item("There is one strategy; a comparison needs two."))
        return section_item("pairs", "Comparison", "Strategies against each other", "", items)
    most = max((pair.result.n for pair in result.pairs), default=0)
    if most < 2:
        items.append(note_item("No two strategies have two seeds in common: no test is possible."))
    else:
        level = 100 * (1 - content.alpha)
        difference = difference_chart(result, content.styles)
        if difference:
            items += [
                {"type": "heading", "text": f"AUBC against {result.baseline}"},
                {"type": "text", "text": _DIFFERENCE_TEXT.format(level=level)},
                chart_item(difference, "chart-difference"),
            ]
        items += [
            {"type": "heading", "text": "Pairwise penalty matrix"},
            {"type": "text", "text": _PENALTY_TEXT.format(alpha=content.alpha)},
            chart_item(penalty_chart(result.penalty), "chart-penalty"),
        ]
        shares = win_shares(result.setting)
        items += [
            {"type": "heading", "text": "Win shares"},
            {"type": "text", "text": _SHARE_TEXT.format(tests=shares.comparisons, alpha=content.alpha)},
            chart_item(share_chart(shares), "chart-shares"),
            table_item(win_share_table(shares, content.alpha), []),
        ]
        if most < MIN_TEST:
            text = (
                f"With {most} common seeds the paired t-test finds only large differences: a tie says nothing. "
                f"{MIN_TEST} seeds are the least to speak of no difference."
            )
            items.append(note_item(text))
        if 2 / 2**most >= content.alpha:
            text = (
                f"With {most} common seeds Wilcoxon's p cannot be smaller than {2 / 2**most:g}; more seeds are "
                f"needed before that test can find anything at level {content.alpha:g}."
            )
            items.append(note_item(text))
    drop = ["setting", "metric"]
    if most < MIN_BOOTSTRAP:
        drop += ["bootstrap_low", "bootstrap_high"]
    tests = [
        {"label": label, "items": [table_item(_of_metric(result.pairs, metric, content.alpha), drop)]}
        for metric, label in (("aubc", "by AUBC"), ("final_acc", "by final accuracy"))
    ]
    items += [
        {"type": "heading", "text": "Paired tests"},
        {"type": "text", "text": _TEST_TEXT},
        {"type": "choice", "label": "Metric", "options": tests},
    ]
    return section_item("pairs", "Comparison", "Strategies against each other", "", items)


_DIFFERENCE_TEXT = (
    f"Mean difference with its {{level:g}}% interval over seeds: Student's t below {MIN_BOOTSTRAP} common seeds, "
    "the bootstrap from there on."
)
_PENALTY_TEXT = (
    "Share of rounds in which the row beats the column by a paired t-test over the seeds that both have "
    "(two-sided, level {alpha:g}, sample standard deviation, quantile for the actual number of seeds; the initial "
    "round is left out, and rounds are not corrected for each other). The last row is a column's mean: lower is "
    "better."
)
_SHARE_TEXT = (
    "Share of common seeds and budgets in which the row is ahead of the column; a tie is half a win for each, so "
    "the two shares of a pair add up to 100. Unlike in the matrix above, no test decides a single budget: one "
    "one-sided sign test per ordered pair is over seeds, with Holm's correction over all {tests} of them (level "
    "{alpha:g})."
)
_TEST_TEXT = (
    "Differences of A and B on common seeds, in percentage points. Holm's correction is over all pairs in the "
    "table."
)


def _of_metric(pairs: Sequence[PairRow], metric: str, alpha: float) -> Table:
    return builders.pair_table([pair for pair in pairs if pair.metric == metric], alpha)


def _selection(result: SettingResult, content: PageInput) -> list[Item]:
    selection = result.selection
    if not selection.names:
        return []
    items: list[Item] = []
    if len(selection.names) > 1:
        items += [
            {"type": "heading", "text": "Overlap"},
            {
                "type": "text",
                "text": "Share of the bought samples that two strategies have in common at the end, mean over "
                "common seeds. The initial set, which all share, is not counted.",
            },
            chart_item(overlap_chart(selection), "chart-overlap"),
        ]
    if selection.classes:
        balance = ", ".join(
            f"{name} {value:.3f}"
            for name, value in zip(selection.names, selection.balance.tolist(), strict=True)
            if math.isfinite(value)
        )
        text = "Share of each class among the bought samples, mean over seeds."
        if balance:
            text += f" Balance (entropy relative to equal shares, 1 is even): {balance}."
        items += [
            {"type": "heading", "text": "Class balance"},
            {"type": "text", "text": text},
            chart_item(class_chart(selection, content.styles), "chart-classes"),
        ]
    return [section_item("selection", "Selection", "What was bought", "", items)] if items else []


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


def _weights(result: SettingResult, content: PageInput) -> list[Item]:
    items: list[Item] = []
    for s in result.strategies:
        for prefix, what in (("weight_", "weight"), ("vote_share_", "share of votes")):
            if any(column.startswith(prefix) for column in s.weights):
                figure = weight_chart(s, prefix, what, content.styles)
                heading = {"type": "heading", "text": f"{s.name}: {what} of each candidate"}
                items += [heading, chart_item(figure, f"chart-weights-{len(items)}")]
    if not items:
        return []
    return [section_item("weights", "Weights", "Strategy weights", "Mean over seeds after each round.", items)]


def _config(result: SettingResult) -> Item:
    items: list[Item] = []
    for name in result.setting.strategies:
        text = config_text(result.setting.runs[name][0])
        if text:
            items.append(
                {"type": "folded", "label": f"Config of {name}", "items": [{"type": "pre", "text": text}]}
            )
    intro = f"Recipe {', '.join(result.setting.recipes)}; the config of the first seed of each strategy."
    return section_item(
        "config", "Config", "Configuration", intro, items or [note_item("No config was stored with the runs.")]
    )
