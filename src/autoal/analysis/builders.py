"""What each table of a report holds, one builder per table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from autoal.analysis.bands import BANDS
from autoal.analysis.pairwise import PairRow, PenaltyMatrix, win_tie_loss
from autoal.analysis.results import Overall, SettingResult
from autoal.analysis.runs import Problem, Run
from autoal.analysis.stats import MIN_BOOTSTRAP
from autoal.analysis.tables import Column, Table


def setting_table(results: Sequence[SettingResult]) -> Table:
    """Which settings there are, and how complete they are."""
    rows = []
    for result in results:
        setting = result.setting
        grid = setting.grid
        counts = [len(group) for group in setting.runs.values()]
        rows.append(
            [setting.label, ", ".join(setting.recipes), float(grid[0]), float(grid[-1]), grid.size, len(counts),
             f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}", sum(counts)]
        )  # fmt: skip
    columns = [
        Column("setting", "Setting"),
        Column("recipe", "Recipe", hint="Hash of everything that defines a curve except strategy and seed"),
        Column("n_first", "First size", "int"),
        Column("n_last", "Last size", "int"),
        Column("sizes", "Sizes", "int", "Labelled-set sizes at which accuracy was measured"),
        Column("strategies", "Strategies", "int"),
        Column("seeds", "Seeds each"),
        Column("runs", "Runs", "int"),
    ]
    return Table(columns, rows)


def result_table(results: Sequence[SettingResult], level: float = 95) -> Table:
    """AUBC, final accuracy, rank, savings and time of every strategy in every setting."""
    rows = []
    for result in results:
        for s in sorted(result.strategies, key=lambda s: -s.aubc[0]):
            saving = s.savings
            rows.append(
                [result.setting.label, s.name, s.aubc[3], *s.aubc[:3], *s.thirds, *s.final[:3], s.rank,
                 saving.labels if saving else None, saving.saved if saving else None,
                 f"{saving.reached}/{s.aubc[3]}" if saving else None, sum(s.seconds.values()) or math.nan]
            )  # fmt: skip
    ci = f"± {level:g}% CI"
    parts, thirds = ("low", "middle", "high"), "Mean accuracy over the {} third of the budgets"
    base = "the accuracy at which the baseline's mean curve ends"
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("seeds", "Seeds", "int"),
        Column("aubc", "AUBC %", "percent", "Mean accuracy over the labelled-set sizes visited"),
        Column("aubc_sd", "sd", "percent", "Standard deviation over seeds (ddof = 1)"),
        Column("aubc_ci", ci, "percent", "Half width of the t interval of the mean"),
        *(Column(f"acc_{part}", f"{part.capitalize()} %", "percent", thirds.format(part)) for part in parts),
        Column("final_acc", "Final %", "percent", "Test accuracy after the last round"),
        Column("final_acc_sd", "sd", "percent", "Standard deviation over seeds (ddof = 1)"),
        Column("final_acc_ci", ci, "percent", "Half width of the t interval of the mean"),
        Column("rank", "Mean rank", "number", "By AUBC over the seeds that all strategies have; 1 is best"),
        Column("labels_to_target", "Labels to target", "int", f"Labels to reach {base}"),
        Column("label_savings", "Labels saved %", "percent", f"Share of labels saved to reach {base}"),
        Column("seeds_reaching_target", "Seeds reaching it"),
        Column("seconds", "Seconds / run", "number", "All phases, mean over runs"),
    ]
    return Table(columns, rows)


def pair_table(pairs: Sequence[PairRow], alpha: float = 0.05) -> Table:
    """Every pair of strategies: differences, intervals, tests."""
    rows = []
    for pair in pairs:
        r = pair.result
        verdict = pair.verdict(alpha)
        rows.append(
            [pair.setting, pair.metric, pair.first, pair.second, r.n, r.mean, r.low, r.high, r.boot_low,
             r.boot_high, r.t, r.p_t, pair.p_t_holm, r.p_wilcoxon, pair.p_wilcoxon_holm, verdict, r.note]
        )  # fmt: skip
    level = f"{100 * (1 - alpha):g}%"
    boot = f"Expanded percentile bootstrap over seeds; from {MIN_BOOTSTRAP} seeds on"
    family = "Corrected by Holm over all pairs of this setting and metric"
    columns = [
        Column("setting", "Setting"),
        Column("metric", "Metric"),
        Column("first", "A"),
        Column("second", "B"),
        Column("seeds", "Seeds", "int", "Seeds that both have"),
        Column("difference", "A − B", "points", "Mean difference in percentage points"),
        Column("ci_low", f"{level} low", "points", "t interval of the mean difference"),
        Column("ci_high", f"{level} high", "points", "t interval of the mean difference"),
        Column("bootstrap_low", "Boot. low", "points", boot),
        Column("bootstrap_high", "Boot. high", "points", boot),
        Column("t", "t", "signed"),
        Column("p_t", "p (t)", "p", "Paired t-test, two-sided"),
        Column("p_t_holm", "p (t) Holm", "p", family),
        Column(
            "p_wilcoxon", "p (W)", "p", "Wilcoxon signed-rank test, two-sided; with 5 seeds never below 0.0625"
        ),
        Column("p_wilcoxon_holm", "p (W) Holm", "p", family),
        Column("verdict", "A is", hint="By the corrected t-test"),
        Column("note", "Note"),
    ]
    return Table(columns, rows)


def win_table(pairs: Sequence[PairRow], alpha: float = 0.05) -> Table:
    """Wins, ties and losses of every strategy against all others by AUBC."""
    counts = win_tie_loss([pair for pair in pairs if pair.metric == "aubc"], alpha)
    order = sorted(counts, key=lambda name: (counts[name]["loss"] - counts[name]["win"], name))
    rows = [[name, *(counts[name][k] for k in ("win", "tie", "loss", "untested"))] for name in order]
    columns = [
        Column("strategy", "Strategy"),
        Column("wins", "Wins", "int", "Significantly better by AUBC (paired t, Holm)"),
        Column("ties", "Ties", "int", "No significant difference"),
        Column("losses", "Losses", "int", "Significantly worse"),
        Column("untested", "Untested", "int", "Fewer than 2 common seeds"),
    ]
    return Table(columns, rows)


def penalty_table(matrix: PenaltyMatrix) -> Table:
    """A penalty matrix with its mean column penalty, one row per strategy."""
    rows: list[list[Any]] = [
        [name, *map(float, row), float(score)]
        for name, row, score in zip(matrix.names, matrix.wins, matrix.score, strict=True)
    ]
    rows.append(["mean penalty", *map(float, matrix.penalty), math.nan])
    columns = [Column("beats", "Row beats column")]
    columns += [Column(name, name, "number") for name in matrix.names]
    columns.append(Column("mean_wins", "Mean", "number", "Mean over opponents; higher is better"))
    return Table(columns, rows)


def rank_table(overall: Overall) -> Table:
    """Mean rank of every strategy over data sets."""
    test = overall.ranks
    pairs = sorted(zip(test.names, test.mean_ranks, strict=False), key=lambda pair: pair[1])
    columns = [
        Column("strategy", "Strategy"),
        Column("mean_rank", "Mean rank", "number", "By AUBC over data sets; 1 is best"),
        Column("data_sets", "Data sets", "int"),
    ]
    return Table(columns, [[name, rank, len(test.blocks)] for name, rank in pairs])


def seconds_table(results: Sequence[SettingResult]) -> Table:
    """Mean seconds per run and phase, and the parts of the search where a strategy times them."""
    everyone = [(r.setting.label, s) for r in results for s in r.strategies if s.seconds]
    phases = list(dict.fromkeys(p for _, s in everyone for p in s.seconds))
    parts = list(dict.fromkeys(p for _, s in everyone for p in s.search_parts))
    rows = [
        [
            label,
            s.name,
            *(s.seconds.get(p, math.nan) for p in phases),
            sum(s.seconds.values()),
            *(s.search_parts.get(p, math.nan) for p in parts),
        ]
        for label, s in everyone
    ]
    columns = [Column("setting", "Setting"), Column("strategy", "Strategy")]
    columns += [Column(f"seconds_{p}", p, "number") for p in phases]
    columns.append(Column("seconds", "sum", "number"))
    columns += [Column(f"seconds_{p}", f"{p} (in search)", "number", "Part of the search phase") for p in parts]
    return Table(columns, rows)


def overlap_table(results: Sequence[SettingResult]) -> Table:
    """Share of bought samples that two strategies have in common, one row per pair."""
    rows = []
    for result in results:
        names, overlap = result.selection.names, result.selection.overlap
        rows += [
            [result.setting.label, a, names[j], float(overlap[i, j])]
            for i, a in enumerate(names)
            for j in range(i + 1, len(names))
        ]
    columns = [Column("setting", "Setting"), Column("first", "A"), Column("second", "B")]
    return Table([*columns, Column("overlap", "Shared %", "percent")], rows)


def run_table(runs: Sequence[tuple[str, Run]]) -> Table:
    """Every run that the report uses.

    Args:
        runs: Label of the setting, and the run.
    """
    rows = [
        [label, run.strategy, run.seed, run.recipe, float(run.n_labeled[-1]), run.final_acc, run.aubc,
         run.summary.get("seconds"), run.summary.get("device"), run.summary.get("git_commit"), str(run.path)]
        for label, run in runs
    ]  # fmt: skip
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("seed", "Seed", "int"),
        Column("recipe", "Recipe"),
        Column("n_labeled", "Labels", "int"),
        Column("final_acc", "Final %", "percent"),
        Column("aubc", "AUBC %", "percent"),
        Column("seconds", "Seconds", "number"),
        Column("device", "Device"),
        Column("git_commit", "Commit"),
        Column("path", "Directory"),
    ]
    return Table(columns, rows)


def problem_table(problems: Sequence[Problem]) -> Table:
    """What was left out, is missing, or needs care."""
    columns = [Column("kind", "Kind"), Column("where", "Where"), Column("message", "What")]
    return Table(columns, [[p.kind, p.where, p.message] for p in problems])


def curve_table(results: Sequence[SettingResult]) -> Table:
    """Mean learning curves with their three bands, one row per size."""
    rows = [
        [r.setting.label, s.name, float(x), float(mean), float(sd), float(se), float(half), int(n)]
        for r in results
        for s in r.strategies
        for x, mean, sd, se, half, n in zip(
            s.curve.sizes, s.curve.mean, *(s.curve.spread(band) for band in BANDS), s.curve.n, strict=True
        )
    ]
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("n_labeled", "Labels", "int"),
        Column("test_acc", "Accuracy %", "percent"),
        Column("test_acc_sd", "sd", "percent"),
        Column("test_acc_se", "se", "percent"),
        Column("test_acc_ci", "± CI", "percent"),
        Column("seeds", "Seeds", "int"),
    ]
    return Table(columns, rows)


def class_table(results: Sequence[SettingResult]) -> Table:
    """Share of each class among the samples bought, mean over seeds."""
    rows = [
        [r.setting.label, name, label, float(share), float(balance)]
        for r in results
        if r.selection.classes
        for name, shares, balance in zip(r.selection.names, r.selection.shares, r.selection.balance, strict=True)
        for label, share in zip(r.selection.classes, shares, strict=True)
    ]
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("class", "Class", "int"),
        Column("share", "Share %", "percent"),
        Column("balance", "Balance", "number"),
    ]
    return Table(columns, rows)


def weight_table(results: Sequence[SettingResult]) -> Table:
    """Strategy weights and vote shares over the rounds, mean over seeds."""
    rows = [
        [r.setting.label, s.name, column, float(x), float(mean)]
        for r in results
        for s in r.strategies
        for column, band in s.weights.items()
        for x, mean in zip(band.sizes, band.mean, strict=True)
    ]
    columns = [
        Column("setting", "Setting"),
        Column("strategy", "Strategy"),
        Column("column", "Column"),
        Column("n_labeled", "Labels", "int"),
        Column("mean", "Mean", "number"),
    ]
    return Table(columns, rows)
