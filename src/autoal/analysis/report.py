"""From run directories to the files of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from autoal.analysis import builders
from autoal.analysis.effort import effort_table, sway_table
from autoal.analysis.latex import penalty_latex, result_latex
from autoal.analysis.names import slugs
from autoal.analysis.page import PageInput, build_page
from autoal.analysis.pairwise import PenaltyMatrix
from autoal.analysis.progress import track
from autoal.analysis.results import (
    DEFAULT_BASELINE,
    WEIGHT_PREFIXES,
    Overall,
    SettingResult,
    analyse,
    analyse_overall,
    find_baseline,
)
from autoal.analysis.runs import Problem, Run
from autoal.analysis.sections_classes import class_scores_table
from autoal.analysis.sections_stopping import stopping_table
from autoal.analysis.settings import Setting, collect
from autoal.analysis.style import looks
from autoal.analysis.tables import Table, write_csv
from autoal.analysis.win_shares import win_share_table
from autoal.errors import AutoALError, unknown_name
from autoal.files import atomic_open

__all__ = ["Options", "Report", "make_report"]


@dataclass(frozen=True)
class Options:
    """What a report does.

    Attributes:
        title: Heading of the page.
        setting_keys: Config keys that tell settings apart beside data set and backbone.
        allow_mixed_recipes: Draw runs of different recipes together instead of refusing.
        baseline: Start of the name of the strategy that savings refer to, which must be there; None: ``random``,
            if it is there.
        alpha: Error level of intervals and tests.
        resamples: Bootstrap resamples.
        figures: Whether to write PNG and PDF figures.
        band: What the bands of curves show, a name of :data:`~autoal.analysis.bands.BANDS`.
    """

    title: str = "Active learning report"
    setting_keys: Sequence[str] = ()
    allow_mixed_recipes: bool = False
    baseline: str | None = None
    alpha: float = 0.05
    resamples: int = 10_000
    figures: bool = True
    band: str = "ci"


@dataclass(frozen=True)
class Report:
    """What was found and written.

    Attributes:
        page: ``report.html``.
        results: The settings.
        overall: All settings together.
        problems: What was left out or is missing.
    """

    page: Path
    results: list[SettingResult]
    overall: Overall
    problems: list[Problem] = field(default_factory=list)


def make_report(roots: Sequence[str | Path], out: Path, options: Options | None = None) -> Report:
    """Read runs, compute everything and write the report.

    Args:
        roots: Run directories, multirun directories or any tree above them.
        out: Folder of the report; made if needed, files of an older report are replaced.
        options: What to do.

    Returns:
        What was found and written.

    Raises:
        AutoALError: If no run finished, recipes would be mixed, no strategy is the wanted baseline, or ``out``
            cannot be written.
    """
    options = options or Options()
    if out.exists() and not out.is_dir():
        raise AutoALError(f"--out {out} is a file; give a directory")
    settings, problems = collect(roots, options.setting_keys, options.allow_mixed_recipes, track)
    ran = {name for setting in settings for name in setting.strategies}
    if options.baseline is not None and find_baseline(sorted(ran), options.baseline) is None:
        raise unknown_name("--baseline", options.baseline, ran)
    baseline = DEFAULT_BASELINE if options.baseline is None else options.baseline
    # One progress display at a time: over the settings, or over the ledgers of the few settings there are.
    many = len(settings) >= 5
    results = [
        analyse(setting, baseline, options.alpha, options.resamples, None if many else track)
        for setting in (track(settings, "analysing settings", least=1) if many else settings)
    ]
    for r in results:
        problems += [*r.selection.problems, *r.classes.problems, *r.effort.problems]
    if not any(result.baseline for result in results):
        message = f"no strategy starts with '{baseline}': label savings need it (--baseline NAME)"
        problems.append(Problem("warning", "all settings", message))
    overall = analyse_overall(results, options.alpha)
    styles = looks(ran, baseline, candidates(results))
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_tables(out, results, overall, problems, options.alpha)
        page = out / "report.html"
        content = PageInput(options.title, results, overall, problems, styles, options.alpha, options.band)
        _write_text(page, build_page(content))
        if options.figures:
            _write_figures(out / "figures", content)
    except OSError as error:
        raise AutoALError(f"cannot write the report to {out}: {error.strerror or error}") from error
    return Report(page, results, overall, problems)


def _write_text(path: Path, text: str) -> None:
    with atomic_open(path) as file:
        file.write(text)


def _write_tables(
    out: Path, results: Sequence[SettingResult], overall: Overall, problems: Sequence[Problem], alpha: float
) -> None:
    pairs = [pair for result in results for pair in result.pairs]
    tables: dict[str, Table] = {
        "settings": builders.setting_table(results),
        "results": builders.result_table(results, 100 * (1 - alpha)),
        "curves": builders.curve_table(results),
        "paired_tests": builders.pair_table(pairs, alpha),
        "win_tie_loss": builders.win_table(pairs, alpha),
        "ranks": builders.rank_table(overall),
        "win_shares_overall": win_share_table(overall.shares, alpha),
        "seconds": builders.seconds_table(results),
        "overlap": builders.overlap_table(results),
        "class_balance": builders.class_table(results),
        "classes": class_scores_table([(r.setting.label, r.classes) for r in results]),
        "stopping": stopping_table([(r.setting.label, r.classes) for r in results]),
        "people": effort_table([(r.setting.label, r.effort) for r in results]),
        "suggestions": sway_table([(r.setting.label, r.effort) for r in results]),
        "strategy_weights": builders.weight_table(results),
        "runs": builders.run_table([(r.setting.label, run) for r in results for run in _runs(r.setting)]),
        "problems": builders.problem_table(problems),
    }
    for name, table in tables.items():
        write_csv(out / f"{name}.csv", table)
    for name, matrix in _matrices(results, overall).items():
        write_csv(out / f"{name}.csv", builders.penalty_table(matrix))
    _write_text(out / "penalty_overall.tex", penalty_latex(overall.overall))
    for metric, what in (("aubc", "AUBC"), ("final_acc", "Final test accuracy")):
        _write_text(out / f"{metric}.tex", result_latex(results, metric, what, alpha))


def _runs(setting: Setting) -> list[Run]:
    return [run for name in setting.strategies for run in setting.runs[name]]


def _matrices(results: Sequence[SettingResult], overall: Overall) -> dict[str, PenaltyMatrix]:
    settings = slugs([result.setting.label for result in results])
    datasets = slugs(list(overall.datasets))
    named = {f"penalty_setting_{name}": r.penalty for name, r in zip(settings, results, strict=True)}
    named |= {f"penalty_dataset_{name}": m for name, m in zip(datasets, overall.datasets.values(), strict=True)}
    return named | {"penalty_overall": overall.overall}


def candidates(results: Sequence[SettingResult]) -> set[str]:
    """Return the candidates of searches whose weights are drawn: they have a strategy's colour."""
    columns = {column for r in results for s in r.strategies for column in s.weights}
    return {column.removeprefix(p) for column in columns for p in WEIGHT_PREFIXES if column.startswith(p)}


def _write_figures(folder: Path, content: PageInput) -> None:
    from matplotlib.figure import Figure

    from autoal.analysis.figures import cd_figure, curve_figure, save_figure, seconds_figure
    from autoal.analysis.heat_maps import overlap_figure, penalty_figure

    results, overall, styles = content.results, content.overall, content.styles
    level = 100 * (1 - content.alpha)

    jobs: list[tuple[str, Callable[[], Figure]]] = []
    for name, result in zip(slugs([r.setting.label for r in results]), results, strict=True):
        jobs.append((f"curves_{name}", partial(curve_figure, result, styles, content.band, level)))
        if any(s.seconds for s in result.strategies):
            jobs.append((f"seconds_{name}", partial(seconds_figure, result)))
        if len(result.selection.names) > 1:
            jobs.append((f"overlap_{name}", partial(overlap_figure, result)))
    jobs += [
        (name, partial(penalty_figure, matrix))
        for name, matrix in _matrices(results, overall).items()
        if len(matrix.names) > 1
    ]
    if not overall.ranks.note:
        jobs.append(("critical_difference", partial(cd_figure, overall.ranks)))
    for name, draw in track(jobs, "drawing figures", least=10):
        save_figure(draw(), folder / name)
