"""Sections of the page about all settings together, and about what was left out."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib

from autoal.analysis import builders
from autoal.analysis.charts_compare import penalty_chart, share_chart
from autoal.analysis.figures import cd_figure
from autoal.analysis.items import Item, PageInput, chart_item, note_item, section_item, table_item
from autoal.analysis.results import Overall
from autoal.analysis.runs import Problem, Run
from autoal.analysis.tables import format_cell
from autoal.analysis.win_shares import win_share_table

__all__ = ["notices", "overall_sections"]


def notices(problems: Sequence[Problem]) -> list[Item]:
    """What was left out, is missing or needs care.

    Args:
        problems: The problems.

    Returns:
        One section; none without problems.
    """
    if not problems:
        return []
    counts = Counter(problem.kind for problem in problems)
    title = "Left out, missing or doubtful: " + ", ".join(f"{n} {kind}" for kind, n in counts.most_common())
    table = table_item(builders.problem_table(problems), name="problems")
    shown: Item = table if len(problems) <= 8 else {"type": "folded", "label": "Show them", "items": [table]}
    return [section_item("notices-list", "Notices", title, "", [shown], "notices")]


def overall_sections(content: PageInput, runs: Sequence[Run]) -> list[Item]:
    """Settings, wins, penalties, ranks and versions.

    Args:
        content: The page.
        runs: Every run in it.

    Returns:
        The sections.
    """
    overall, results = content.overall, content.results
    sections = [
        section_item("settings", "Settings", "Settings", "", [table_item(builders.setting_table(results))])
    ]
    pairs = [pair for r in results for pair in r.pairs]
    if pairs:
        intro = "Every strategy against every other one in every setting, by the corrected paired t-test on AUBC."
        table = table_item(builders.win_table(pairs, content.alpha), name="wins-table")
        sections.append(section_item("wins", "Wins", "Wins, ties and losses", intro, [table]))
    if len(results) > 1 and len(overall.overall.names) > 1:
        levels = [("Overall", overall.overall), *((f"Data set {name}", m) for name, m in overall.datasets.items())]
        options = [
            {"label": label, "items": [chart_item(penalty_chart(matrix), f"chart-penalty-{i}")]}
            for i, (label, matrix) in enumerate(levels)
        ]
        intro = (
            "Sum over settings (of a data set) and over data sets (overall) of the share of rounds in which the "
            "row beats the column. A cell can be at most the number of settings in which the two were tested."
        )
        choice = {"type": "choice", "label": "Level", "options": options}
        sections.append(
            section_item("penalty", "Penalty", "Pairwise penalty, data sets and overall", intro, [choice])
        )
        sections.append(_shares(overall, content.alpha))
    sections.append(_ranks(overall, content.alpha))
    sections.append(_provenance(runs))
    return sections


_SHARES = (
    "Share of seeds and budgets in which the row is ahead of the column: the mean over data sets, each of "
    "which counts once, however many seeds and budgets it has. In the sums above a round counts only where a "
    "t-test decides it, and a data set with many settings can give more. Here a tie is half a win for each, so "
    "a pair adds up to 100, and a data set is the unit of one one-sided sign test per ordered pair, with "
    "Holm's correction over all {tests} of them (level {alpha:g}). Ahead on all of n data sets is p = 0.5^n "
    "before the correction."
)


def _shares(overall: Overall, alpha: float) -> Item:
    items = [
        chart_item(share_chart(overall.shares), "chart-shares-overall"),
        table_item(win_share_table(overall.shares, alpha), name="shares-table"),
    ]
    intro = _SHARES.format(tests=overall.shares.comparisons, alpha=alpha)
    return section_item("shares", "Win shares", "Win shares over data sets", intro, items)


def _ranks(overall: Overall, alpha: float) -> Item:
    test = overall.ranks
    items: list[Item] = []
    intro = "Mean AUBC of each strategy per data set, ranked; Friedman's test, and Nemenyi's for pairs."
    if test.note:
        items.append(note_item(f"No test is possible: {test.note}."))
    else:
        text = (
            f"Friedman χ² = {test.chi2:.2f} ({_p(test.p)}), "
            f"Iman–Davenport F = {format_cell(test.f, 'number')} ({_p(test.p_f)}), "
            f"{len(test.blocks)} data sets. Strategies joined by a bar differ by less than the critical "
            f"difference {test.cd:.2f} (Nemenyi, level {alpha:g})."
        )
        buffer = io.StringIO()
        # A fixed salt makes the ids in the SVG the same every time.
        with matplotlib.rc_context({"svg.hashsalt": "autoal"}):
            cd_figure(test).savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
        svg = buffer.getvalue()
        items += [
            {"type": "text", "text": text},
            {"type": "picture", "id": "cd-diagram", "svg": svg[svg.index("<svg") :]},
        ]
    if test.mean_ranks:
        items.append(table_item(builders.rank_table(overall), name="rank-table"))
    if overall.left_out:
        items.append(
            note_item(f"Not ranked, because they did not run in every setting: {', '.join(overall.left_out)}.")
        )
    return section_item("ranks", "Ranks", "Ranks over data sets", intro, items)


def _p(value: float) -> str:
    text = format_cell(value, "p")
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def _provenance(runs: Sequence[Run]) -> Item:
    versions: Counter[tuple[str, str]] = Counter()
    for run in runs:
        stored = run.summary.get("versions")
        versions.update((str(k), str(v)) for k, v in (stored if isinstance(stored, Mapping) else {}).items())
        for key in ("device", "git_commit"):
            if run.summary.get(key):
                versions[key, str(run.summary[key])] += 1
    columns = [
        {"label": "What", "kind": "text"},
        {"label": "Value", "kind": "text"},
        {"label": "Runs", "kind": "int"},
    ]
    rows = [[name, value, [n, f"{n:,}"]] for (name, value), n in sorted(versions.items())]
    table: Item = {"type": "table", "columns": columns, "rows": rows, "id": "versions"}
    intro = "Versions, devices and commits with the number of runs that used them."
    note = note_item("The CSV, LaTeX, PNG and PDF files beside this page hold the same numbers.")
    return section_item("versions-section", "Versions", "Versions", intro, [table, note])
