"""Everything that a report says about one setting, and about all of them, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoal.analysis.bands import Band, band
from autoal.analysis.classes import ClassSummary, summarise_classes
from autoal.analysis.curves import budget_thirds, labels_to_reach
from autoal.analysis.effort import Effort, summarise_effort
from autoal.analysis.ledgers import SelectionSummary, summarise_selection
from autoal.analysis.pairwise import PairRow, PenaltyMatrix, compare_setting, penalty_matrix, sum_matrices
from autoal.analysis.priors import prior_of_run
from autoal.analysis.ranks import RankTest, rank_rows, rank_test
from autoal.analysis.runs import Run
from autoal.analysis.settings import Setting
from autoal.analysis.stats import mean_ci
from autoal.analysis.win_shares import WinShares, win_shares, win_shares_over

__all__ = [
    "DEFAULT_BASELINE",
    "PRIOR_OF",
    "WEIGHT_PREFIXES",
    "Overall",
    "Savings",
    "SettingResult",
    "StrategyResult",
    "analyse",
    "analyse_overall",
    "find_baseline",
]

# Every run has these and they add up. A strategy may time parts of its search in further columns; adding those
# to the sum would count the same seconds twice.
PHASES = ("train", "pool", "search", "select", "test")
HOOK = "hook"  # a part of the training, where a strategy changes it
PRIOR_OF = "weight_"
"""Columns whose curves start from the prior."""

WEIGHT_PREFIXES = (PRIOR_OF, "vote_share_")
DEFAULT_BASELINE = "random"
"""The strategy that savings refer to where nobody names another."""


@dataclass(frozen=True)
class Savings:
    """Labels that a strategy needs for the accuracy at which the baseline ends.

    Attributes:
        labels: Labels at which the mean curve first reaches the target; NaN if it never does.
        saved: Share saved, relative to what the baseline itself needed; NaN if never reached.
        reached: How many seeds reach the target.
    """

    labels: float
    saved: float
    reached: int


@dataclass(frozen=True)
class StrategyResult:
    """One strategy in one setting; intervals are (mean, sd, half width, seeds).

    Attributes:
        name: Strategy label.
        curve: Mean test accuracy with its band.
        final: Final accuracy.
        aubc: Area under the budget curve.
        thirds: Mean accuracy over the low, the middle and the high third of the budgets.
        rank: Mean rank by AUBC over the seeds that all strategies share; NaN if there is none.
        savings: Label savings; None without a baseline in the setting.
        seconds: Phase to mean seconds per run; phases do not overlap.
        search_parts: What a strategy times inside its search, which is already counted there.
        weights: Column to its mean curve, for strategies that log weights.
        prior: Candidate to the weight that the search starts from; empty where no config says it.
    """

    name: str
    curve: Band
    final: tuple[float, float, float, int]
    aubc: tuple[float, float, float, int]
    thirds: tuple[float, float, float]
    rank: float
    savings: Savings | None
    seconds: dict[str, float]
    search_parts: dict[str, float]
    weights: dict[str, Band]
    prior: dict[str, float]


@dataclass(frozen=True)
class SettingResult:
    """All about one setting.

    Attributes:
        setting: The setting.
        strategies: One result per strategy, alphabetical.
        pairs: Every pair compared, by AUBC and by final accuracy.
        penalty: The pairwise penalty matrix.
        selection: Overlap and class balance.
        baseline: The strategy that savings refer to; None if it did not run.
        target: Its mean accuracy at the end.
        shared_seeds: Number of seeds that all strategies have: the basis of ranks.
        classes: Test predictions after the last round.
        effort: What people have cost.
    """

    setting: Setting
    strategies: list[StrategyResult]
    pairs: list[PairRow]
    penalty: PenaltyMatrix
    selection: SelectionSummary
    baseline: str | None
    target: float
    shared_seeds: int
    classes: ClassSummary = field(default_factory=ClassSummary)
    effort: Effort = field(default_factory=Effort)


@dataclass(frozen=True)
class Overall:
    """All settings together.

    Attributes:
        datasets: Data set to the sum of its settings' matrices.
        overall: The sum of the data sets.
        ranks: Friedman and Nemenyi over data sets, by mean AUBC.
        shares: Win shares with data sets as units.
        left_out: Strategies that did not run in every setting and so have no rank.
    """

    datasets: dict[str, PenaltyMatrix]
    overall: PenaltyMatrix
    ranks: RankTest
    shares: WinShares
    left_out: list[str]


def analyse(
    setting: Setting,
    baseline: str = DEFAULT_BASELINE,
    alpha: float = 0.05,
    resamples: int = 10_000,
    track: Callable[[Sequence[Run], str], Iterable[Run]] | None = None,
) -> SettingResult:
    """Compute everything about one setting.

    Args:
        setting: The setting.
        baseline: Strategy that label savings refer to; the start of its name is enough, so that ``random``
            finds ``RandomSampling``.
        alpha: Error level of intervals and tests.
        resamples: Bootstrap resamples.
        track: Wraps the sequence of runs whose ledgers are read, to show progress.

    Returns:
        The result.
    """
    base = find_baseline(setting.strategies, baseline)
    curves = {name: band(setting.grid, setting.on_grid(name), alpha) for name in setting.strategies}
    target = float(curves[base].mean[-1]) if base else math.nan
    ranks, shared = _ranks(setting)
    seconds = {name: _seconds(setting.runs[name]) for name in setting.strategies}
    strategies = [
        StrategyResult(
            name=name,
            curve=curves[name],
            final=mean_ci([run.final_acc for run in setting.runs[name]], alpha),
            aubc=mean_ci([run.aubc for run in setting.runs[name]], alpha),
            thirds=_thirds(setting.runs[name]),
            rank=rank,
            savings=_savings(setting, curves, name, base, target) if base else None,
            seconds={phase: s for phase, s in seconds[name].items() if phase in PHASES},
            search_parts={phase: s for phase, s in seconds[name].items() if phase not in (*PHASES, HOOK)},
            weights=_weights(setting, name, alpha),
            prior=_prior(setting.runs[name]),
        )
        for name, rank in zip(setting.strategies, ranks, strict=True)
    ]
    return SettingResult(
        setting=setting,
        strategies=strategies,
        pairs=compare_setting(setting, alpha, resamples),
        penalty=penalty_matrix(setting, alpha),
        selection=summarise_selection(setting, track),
        baseline=base,
        target=target,
        shared_seeds=shared,
        classes=summarise_classes(setting, alpha),
        effort=summarise_effort(setting),
    )


def _thirds(runs: Sequence[Run]) -> tuple[float, float, float]:
    low, middle, high = np.mean([budget_thirds(run.acc) for run in runs], axis=0).tolist()
    return low, middle, high


def find_baseline(names: Sequence[str], wanted: str) -> str | None:
    """Return the strategy that a name means: the one called so, else the first that starts so."""
    exact = [name for name in names if name == wanted]
    return next(iter(exact or [name for name in names if name.casefold().startswith(wanted.casefold())]), None)


def _ranks(setting: Setting) -> tuple[list[float], int]:
    values = [setting.per_seed(name, lambda run: run.aubc) for name in setting.strategies]
    shared = [key for key in setting.seeds if all(key in own for own in values)]
    if not shared:
        return [math.nan] * len(values), 0
    ranks = rank_rows([[own[key] for own in values] for key in shared])
    return [float(rank) for rank in ranks.mean(axis=0)], len(shared)


def _savings(setting: Setting, curves: dict[str, Band], name: str, base: str, target: float) -> Savings:
    # The baseline's own first crossing, not its last size: a baseline that plateaus early must not make
    # every other strategy look as if it saved labels.
    reference = labels_to_reach(curves[base].sizes, curves[base].mean, target)
    labels = labels_to_reach(curves[name].sizes, curves[name].mean, target)
    reached = sum(bool(np.any(run.acc >= target)) for run in setting.runs[name])
    return Savings(labels, 1.0 - labels / reference, reached)


def _seconds(runs: Sequence[Run]) -> dict[str, float]:
    seconds = {}
    names = {c.removeprefix("seconds_") for run in runs for c in run.columns if c.startswith("seconds_")}
    for phase in [*PHASES, *sorted(names.difference(PHASES))]:
        columns = [run.columns[f"seconds_{phase}"] for run in runs if f"seconds_{phase}" in run.columns]
        sums = [float(np.nansum(column)) for column in columns if np.isfinite(column).any()]
        if sums:
            seconds[phase] = float(np.mean(sums))
    return seconds


def _weights(setting: Setting, name: str, alpha: float) -> dict[str, Band]:
    columns = sorted({c for run in setting.runs[name] for c in run.columns if c.startswith(WEIGHT_PREFIXES)})
    bands = {c: band(setting.grid, setting.on_grid(name, c), alpha) for c in columns}
    return {c: b for c, b in bands.items() if b.sizes.size}


def _prior(runs: Sequence[Run]) -> dict[str, float]:
    """The prior of a strategy, whose runs have the same options: others have another name."""
    names = sorted({c.removeprefix(PRIOR_OF) for run in runs for c in run.columns if c.startswith(PRIOR_OF)})
    return prior_of_run(runs[0], names) if names else {}


def analyse_overall(results: Sequence[SettingResult], alpha: float = 0.05) -> Overall:
    """Put the settings together.

    Args:
        results: The settings.
        alpha: Error level.

    Returns:
        Matrices by data set and overall, and the ranks over data sets.
    """
    datasets: dict[str, list[SettingResult]] = {}
    for result in results:
        datasets.setdefault(result.setting.dataset, []).append(result)
    matrices = {name: sum_matrices(name, [result.penalty for result in group]) for name, group in datasets.items()}
    everywhere = [s.name for s in results[0].strategies if all(s.name in r.setting.runs for r in results)]
    scores = [
        [float(np.mean([_mean_aubc(r, name) for r in group])) for name in everywhere]
        for group in datasets.values()
    ]
    everything = sorted({name for r in results for name in r.setting.runs})
    return Overall(
        datasets=matrices,
        overall=sum_matrices("overall", list(matrices.values())),
        ranks=rank_test(
            np.array(scores).reshape(len(datasets), len(everywhere)), everywhere, list(datasets), alpha
        ),
        shares=win_shares_over(
            [win_shares_over([win_shares(r.setting) for r in group]) for group in datasets.values()]
        ),
        left_out=[name for name in everything if name not in everywhere],
    )


def _mean_aubc(result: SettingResult, name: str) -> float:
    return next(s.aubc[0] for s in result.strategies if s.name == name)
