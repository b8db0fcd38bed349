"""Tables and a picture of all sets of the study: lift over random, thirds of the budget, who is ahead, what ran.

python -m experiments.foundation_study.report    # rewrite README.md and docs/which_strategy.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from autoal.analysis.curves import aubc, budget_thirds
from autoal.analysis.runs import Run
from autoal.analysis.settings import Setting
from autoal.analysis.stats import holm
from autoal.analysis.win_shares import WinShares, win_shares, win_shares_over
from experiments import tables
from experiments.foundation_study import lift_figure
from experiments.foundation_study.two_tests import two_tests

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "which_strategy.md"
FIGURE = PAGE.parent / "images" / "which_strategy.png"
SETS = ("digits", "trec6", "mpqa", "cifar10_jpeg", "banking77", "mnist")
DEFAULT = "autoal"
LEVEL = 0.05
PARTS = ("low", "middle", "high")


def loaded(study: Path, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the rounds of the sets that have results; ceilings read the truth and are left out."""
    frames = {name: frame for name in names if (frame := tables.load(study, name)) is not None}
    return {name: frame[~frame["strategy"].isin(tables.CEILINGS)] for name, frame in frames.items()}


def lifts(study: Path, *names: str) -> str:
    """AUBC minus random's on the same seeds, with 95 % t intervals; in the order of the mean over sets."""
    frames = loaded(study, names)
    areas = {name: tables.areas(frame) for name, frame in frames.items()}
    rows: dict[str, list[str]] = {}
    means: dict[str, list[float]] = {}
    for strategy in _strategies(areas.values()):
        for area in areas.values():
            if strategy not in area or "random" not in area:
                rows.setdefault(strategy, []).append("")
                continue
            found = tables.difference(area, strategy, "random")
            rows.setdefault(strategy, []).append(tables.points(found) if found.n else "")
            means.setdefault(strategy, []).append(found.mean)
    everywhere = [s for s in rows if len(means.get(s, ())) == len(areas) and s != "random"]
    order = sorted(everywhere, key=lambda s: -round(float(np.mean(means[s])), 9))
    body = [[s, *rows[s], f"{100 * np.mean(means[s]):+.2f}"] for s in order]
    head = ("strategy", *(f"{name} ({_seeds(frames[name])})" for name in areas), "mean of the sets")
    base = ["random, AUBC", *(tables.percent(area["random"]) for area in areas.values()), ""]
    return tables.markdown(head, [base, *body])


def thirds(study: Path, *names: str) -> str:
    """Lift over random in each third of the budget, mean over sets."""
    frames = loaded(study, names)
    lift: dict[str, list[list[float]]] = {}
    for frame in frames.values():
        parts = [tables.each_run(frame, third(i)) for i in range(len(PARTS))]
        for strategy in parts[0]:
            lift.setdefault(strategy, []).append(
                [tables.difference(part, strategy, "random").mean for part in parts]
            )
    everywhere = {s: np.mean(rows, axis=0) for s, rows in lift.items() if len(rows) == len(frames)}
    order = sorted((s for s in everywhere if s != "random"), key=lambda s: -round(float(everywhere[s][0]), 9))
    body = [[s, *(f"{100 * v:+.2f}" for v in everywhere[s])] for s in order]
    return tables.markdown(("strategy", *(f"{part} budget" for part in PARTS)), body)


def third(part: int) -> Callable[[pd.DataFrame], float]:
    """Return what measures a run in the low (0), the middle (1) or the high (2) third of its budgets."""
    return lambda run: budget_thirds(run["test_acc"])[part]


def wins(study: Path, *names: str) -> str:
    """Win shares with sets as units: mean, and whom a strategy beats after Holm's correction."""
    shares = shares_over(study, *names)
    order = sorted(shares.names, key=lambda n: -round(float(np.nanmean(shares.share[shares.names.index(n)])), 9))
    rows = []
    for name in order:
        i = shares.names.index(name)
        row, p = shares.share[i], shares.p_holm[i]
        ahead = sum(v > 0.5 for v in row if math.isfinite(v))
        beaten = [other for other, value in zip(shares.names, p, strict=True) if value < 0.05]
        against = row[shares.names.index("random")] if name != "random" else math.nan
        shown = f"{100 * against:.0f}" if math.isfinite(against) else ""
        rows.append([name, f"{100 * np.nanmean(row):.0f}", shown, str(ahead), ", ".join(beaten) or "none"])
    head = ("strategy", "mean win share", "against random", "ahead of so many", "beats after Holm's correction")
    n = int(np.nanmax(shares.units)) if shares.units.size else 0
    said = f"{n} sets as units, {shares.comparisons} one-sided sign tests"
    return f"{said}.\n\n{tables.markdown(head, rows)}"


def ahead(study: Path, *names: str) -> str:
    """The default's win shares in percent on each set, and whether a sign test over seeds says ahead or behind.

    ``▲`` or ``▼``: p below 0.05 after Holm's correction over the set's comparisons, both directions of each,
    without those that :func:`too_few` names.
    """
    heads: list[str] = []
    cells: dict[str, dict[str, str]] = {}
    for name, frame in loaded(study, names).items():
        found = win_shares(_setting(name, frame))
        if DEFAULT not in found.names:
            continue
        me = found.names.index(DEFAULT)
        others = [i for i in range(len(found.names)) if math.isfinite(found.p[me, i])]
        out = [math.nan if few else 1.0 for few in too_few(found.units[me, others].tolist())]
        corrected = holm([*found.p[me, others] * out, *found.p[others, me] * out]) < LEVEL
        for i, above, below in zip(others, corrected, corrected[len(others) :], strict=False):
            mark = " ▲" * bool(above) + " ▼" * bool(below)
            cells.setdefault(found.names[i], {})[name] = f"{100 * found.share[me, i]:.0f}{mark}"
        heads.append(name)
    order = sorted(cells, key=lambda s: (-len(cells[s]), s))
    rows = [[other, *(cells[other].get(name, "") for name in heads)] for other in order]
    return tables.markdown((f"{DEFAULT} against", *heads), rows)


def too_few(units: Sequence[float]) -> list[bool]:
    """Say which sign tests could not be significant among the others, whatever is found (Tarone 1990).

    A test of n units has p of 2^-n at least. The K tests that count are those that reach 0.05 / K.

    Args:
        units: Units of each pair, which is tested in both directions.

    Example:
        >>> too_few([10.0] * 20 + [5.0])[-2:]
        [False, True]
    """
    least = [0.5**n for n in units]
    for k in range(1, 2 * len(least) + 1):
        if 2 * sum(p <= LEVEL / k for p in least) <= k:
            return [p > LEVEL / k for p in least]
    return [False] * len(least)


def shares_over(study: Path, *names: str) -> WinShares:
    """Return the win shares over sets, of the strategies that every set has."""
    settings = [_setting(name, frame) for name, frame in loaded(study, names).items()]
    common = set.intersection(*(set(s.runs) for s in settings)) if settings else set()
    for setting in settings:
        setting.runs = {name: runs for name, runs in setting.runs.items() if name in common}
    return win_shares_over([win_shares(setting) for setting in settings])


def _setting(name: str, frame: pd.DataFrame) -> Setting:
    runs: dict[str, list[Run]] = {}
    for (strategy, seed), rows in frame.groupby(["strategy", "seed"], sort=True):
        run = rows.sort_values("round")
        x, acc = run["n_labeled"].to_numpy(float), run["test_acc"].to_numpy(float)
        columns = {"n_labeled": x, "test_acc": acc}
        runs.setdefault(str(strategy), []).append(
            Run(Path(), name, "linear", str(strategy), int(str(seed)), "", x, columns, {}, aubc(x, acc))
        )
    return Setting(name, "linear", name, [""], runs)


def ran(study: Path, *names: str) -> str:
    """What there is: strategies by the seeds that they have, per set."""
    lines = []
    for name in names:
        frame = tables.load(study, name)
        if frame is None:
            lines.append(f"- `{name}`: no run yet.")
            continue
        groups: dict[tuple[int, ...], list[str]] = {}
        for strategy, rows in frame.groupby("strategy"):
            groups.setdefault(tuple(sorted(rows["seed"].unique().tolist())), []).append(str(strategy))
        parts = [
            f"seeds {_span(seeds)}: {', '.join(sorted(g))}" for seeds, g in sorted(groups.items(), reverse=True)
        ]
        lines.append(f"- `{name}`: {'; '.join(parts)}.")
    return "\n".join(lines)


def _span(seeds: Sequence[int]) -> str:
    whole = len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}-{seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _seeds(frame: pd.DataFrame) -> str:
    counts = frame.groupby("strategy")["seed"].nunique()
    low, high = int(counts.min()), int(counts.max())
    return f"{low} seed{'s' * (high > 1)}" if low == high else f"{low}-{high} seeds"


def _strategies(areas: Iterable[tables.Values]) -> list[str]:
    return list(dict.fromkeys(name for area in areas for name in area))


KINDS = {"lifts": lifts, "thirds": thirds, "wins": wins, "ahead": ahead, "ran": ran, "two_tests": two_tests}


def main() -> None:
    """Rewrite the tables of the study's README and of its page, and the picture of both."""
    for path in (HERE / "README.md", PAGE):
        changed = tables.update(path, HERE, **KINDS)
        print(f"{path.name} {'rewritten' if changed else 'is up to date'}")
    lift_figure.draw(loaded(HERE, SETS), FIGURE)


if __name__ == "__main__":
    main()
