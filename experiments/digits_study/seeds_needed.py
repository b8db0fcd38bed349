"""How many seeds separate two strategies? From the measured results of the studies.

python -m experiments.digits_study.seeds_needed    # rewrites the tables of docs/what_to_expect.md

For each pair of strategies the differences in AUBC over the seeds that both have give an effect size, and that
the number of seeds at which a two-sided t-test at 5 % finds the effect with 80 % probability: paired, and as if
the two had not shared their seeds. An effect estimated from few seeds is itself uncertain, so the numbers are
orders of magnitude.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import tables

HERE = Path(__file__).resolve().parent
TEXT = HERE.parents[1] / "docs" / "what_to_expect.md"
POWER, ALPHA, MOST = 0.8, 0.05, 1000
RESAMPLES = 2000
PAIRS = (
    ("margin", "random"),
    ("badge", "random"),
    ("kcenter", "random"),
    ("margin", "entropy"),
    ("badge", "kcenter"),
    ("badge", "margin"),
    ("margin", "least_confidence"),
    ("alfamix", "badge"),
    ("autoal", "margin"),
    ("autoal", "autoal_equal"),
)
"""Pairs that are shown by name: large, middling and small differences."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """What it takes to separate two strategies.

    Attributes:
        first: Strategy.
        second: Strategy.
        n: Seeds that both have.
        mean: Mean difference of AUBC, first minus second.
        paired: Seeds that a paired test needs; None: more than ``MOST``.
        unpaired: Seeds per strategy that a test without pairing needs; None: more than ``MOST``.
        flips: Share of the subsets of three seeds that order the two the other way round.
        found: Share of bootstrap samples of 3, 5 and 10 seeds with a significant difference.
    """

    first: str
    second: str
    n: int
    mean: float
    paired: int | None
    unpaired: int | None
    flips: float
    found: tuple[float, ...]


def power(effect: float, n: int, df: int) -> float:
    """Return the power of a two-sided t-test.

    Args:
        effect: Mean over the standard error's scale at one seed: the noncentrality is ``effect sqrt(n)``.
        n: Seeds.
        df: Degrees of freedom.
    """
    from scipy.stats import ncf, t

    critical = float(t.ppf(1 - ALPHA / 2, df))
    # The square of a noncentral t is a noncentral F, whose tail scipy computes for large effects too.
    return float(ncf.sf(critical**2, 1, df, effect**2 * n))


def seeds_needed(effect: float, df_per_seed: int = 1) -> int | None:
    """Return the smallest number of seeds with the wanted power.

    Args:
        effect: Mean difference in units of its standard deviation at one seed.
        df_per_seed: 1 for a paired test (n - 1 degrees of freedom), 2 for an unpaired one (2 n - 2).

    Returns:
        At least 2; None for more than ``MOST``.
    """
    if not math.isfinite(effect):
        return 2
    low, high = 2, MOST
    if power(effect, high, df_per_seed * (high - 1)) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        if power(effect, middle, df_per_seed * (middle - 1)) >= POWER:
            high = middle
        else:
            low = middle + 1
    return low


def flip_share(differences: Floats, size: int = 3) -> float:
    """Return the share of subsets of seeds whose mean difference has the other sign; ties count half."""
    subsets = list(itertools.combinations(range(len(differences)), size))
    means = np.array([differences[list(s)].mean() for s in subsets]) * np.sign(differences.mean())
    return float(np.mean(means < 0) + 0.5 * np.mean(means == 0))


def found_share(differences: Floats, size: int) -> float:
    """Return the share of bootstrap samples of ``size`` seeds in which a paired t-test finds a difference."""
    from scipy.stats import t

    draws = np.random.default_rng(0).choice(differences, (RESAMPLES, size))
    error = draws.std(axis=1, ddof=1) / math.sqrt(size)
    # The same seed drawn every time has no variance and tests nothing.
    tested = error > 0
    significant = np.abs(draws.mean(axis=1)) > t.ppf(1 - ALPHA / 2, size - 1) * error
    return float(np.mean(significant & tested))


def separate(first: str, second: str, values: tables.Values) -> Separation | None:
    """Examine a pair; None with fewer than four common seeds."""
    seeds = sorted(values[first].keys() & values[second].keys())
    if len(seeds) < 4:
        return None
    a, b = (np.array([values[name][s] for s in seeds]) for name in (first, second))
    d = a - b
    if not d.any():
        return Separation(first, second, len(seeds), 0.0, None, None, 0.5, (0.0,) * 3)
    mean = float(d.mean())
    alone = math.sqrt(float(a.var(ddof=1) + b.var(ddof=1)))
    spread = float(d.std(ddof=1))
    return Separation(
        first,
        second,
        len(seeds),
        mean,
        seeds_needed(abs(mean) / spread if spread else math.inf),
        seeds_needed(abs(mean) / alone if alone else math.inf, 2),
        flip_share(d),
        tuple(found_share(d, size) for size in (3, 5, 10)),
    )


def seeds(study: Path, name: str) -> str:
    """Write the tables of one setting, ``study/setting``."""
    folder, _, setting = name.rpartition("/")
    frame = tables.load(study.parent / folder, setting)
    if frame is None:
        return tables.missing(study.parent / folder, setting)
    values = tables.areas(frame)
    every = [s for a, b in itertools.combinations(sorted(values), 2) if (s := separate(a, b, values))]
    if not every:
        return f"`{name}` has no two strategies with four seeds yet."
    shown = [s for a, b in PAIRS if a in values and b in values and (s := separate(a, b, values))]
    head = ("pair", "seeds", "AUBC difference", "needed, paired", "needed, unpaired", "3 seeds reverse it")
    rows = [
        [
            f"{s.first} - {s.second}",
            str(s.n),
            f"{100 * s.mean:+.2f}",
            _count(s.paired),
            _count(s.unpaired),
            f"{100 * s.flips:.0f} %",
            *(f"{100 * share:.0f} %" for share in s.found),
        ]
        for s in shown
    ]
    pairs = tables.markdown((*head, "found by 3", "by 5", "by 10"), rows) + "\n\n" if rows else ""
    return pairs + _overview(every)


def _count(n: int | None) -> str:
    return f"> {MOST}" if n is None else str(n)


def _overview(every: list[Separation]) -> str:
    limits = (3, 5, 10, 20, 50)
    rows = []
    for what in ("paired", "unpaired"):
        needed = [getattr(s, what) or math.inf for s in every]
        rows.append([what, *(f"{100 * np.mean([n <= limit for n in needed]):.0f} %" for limit in limits)])
    flips = 100 * float(np.mean([s.flips for s in every]))
    table = tables.markdown(("test", *(f"within {limit} seeds" for limit in limits)), rows)
    return (
        f"Share of all {len(every)} pairs of strategies that can be separated:\n\n{table}\n\n"
        f"Averaged over all pairs, a random choice of three of the seeds puts the two strategies in the other "
        f"order {flips:.0f} % of the time."
    )


def main() -> None:
    """Rewrite the tables of the page."""
    changed = tables.update(TEXT, HERE, seeds=seeds)
    print(f"{TEXT.name} {'rewritten' if changed else 'is up to date'}")


if __name__ == "__main__":
    main()
