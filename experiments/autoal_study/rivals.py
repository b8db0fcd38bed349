"""AutoAL's default beside its rivals on every set: paired differences, and the bars that it must pass.

python -m experiments.autoal_study.rivals    # rewrite the tables of docs/does_the_search_pay.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from autoal.analysis.stats import Comparison, compare, paired
from experiments import tables
from experiments.foundation_study.report import PARTS, lifts, third

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "does_the_search_pay.md"
PAIRS = (
    *(("autoal", "random"), ("autoal", "mean candidate"), ("autoal", "best candidate")),
    *(("autoal", "uherding"), ("autoal", "maxherding"), ("autoal", "bait"), ("autoal", "typiclust")),
    *(("autoal", "alfamix"), ("autoal", "badge"), ("autoal", "diverse_minibatch"), ("autoal", "tcm")),
    *(("autoal", "refine"), ("autoal", "refine_control"), ("autoal", "albl"), ("autoal", "tailor")),
    *(("autoal", "wide_herding"), ("autoal", "autoal_equal"), ("autoal", "fixed_kmeans")),
    *(("learnt_herding", "autoal"), ("autoal_search", "fixed_kmeans"), ("autoal", "autoal_search")),
    *(("autoal", "autoal_paper"), ("autoal", "autoal_released"), ("boss", "autoal")),
)
"""What is compared; a pair that no set has is left out. The last is a ceiling: BoSS reads the truth."""


def areas(study: Path, name: str) -> tables.Values:
    """Return the areas of a set, written ``study/setting``, with the mean and the best of AutoAL's candidates."""
    folder, _, setting = name.rpartition("/")
    frame = tables.load(study.parent / folder, setting)
    if frame is None:
        return {}
    area = tables.areas(frame)
    candidates = [area[c] for c in tables.CANDIDATES if c in area]
    if len(candidates) == len(tables.CANDIDATES):
        seeds = set.intersection(*(set(runs) for runs in candidates))
        if seeds:
            area["mean candidate"] = {s: float(np.mean([runs[s] for runs in candidates])) for s in seeds}
            # Picked after its results are known, which favours it.
            area["best candidate"] = max(candidates, key=lambda runs: np.mean([runs[s] for s in seeds]))
    return area


def bars(study: Path, *names: str) -> str:
    """Differences per set and their mean over sets, then what they say of each bar."""
    sets = {name: area for name in names if "autoal" in (area := areas(study, name))}
    if not sets:
        return "No run of autoal yet."
    rows = []
    for first, second in PAIRS:
        found = {name: _difference(area, first, second) for name, area in sets.items()}
        there = [result for result in found.values() if result is not None]
        if there:
            shown = ["" if r is None else tables.points(r) for r in found.values()]
            mark = " (ceiling)" if first in tables.CEILINGS else ""
            rows.append([f"{first}{mark} − {second}", *shown, _over(there)])
    head = ("AUBC difference", *(_title(name, area) for name, area in sets.items()), "mean of the sets")
    return tables.markdown(head, rows) + "\n\n" + "\n".join(_verdicts(sets))


def _difference(area: tables.Values, first: str, second: str) -> Comparison | None:
    if first not in area or second not in area or not set(area[first]) & set(area[second]):
        return None
    return compare(*paired(area[first], area[second]), resamples=0)


def _title(name: str, area: tables.Values) -> str:
    folder, _, setting = name.rpartition("/")
    kind = "frozen" if folder.startswith("foundation") else "network"
    n = len(area["autoal"])
    return f"{setting}, {kind} ({n} seed{'s' * (n > 1)})"


def _over(results: Sequence[Comparison]) -> str:
    """Return the mean over sets and its standard error, in points, and of how many sets."""
    means = [100 * result.mean for result in results]
    error = f" ± {np.std(means, ddof=1) / math.sqrt(len(means)):.2f}" if len(means) > 1 else ""
    return f"{np.mean(means):+.2f}{error} ({len(means)})"


def _verdicts(sets: dict[str, tables.Values]) -> list[str]:
    lines = []
    best = _results(sets, "autoal", "best candidate")
    if best:
        missed = _below(best)
        lines.append(
            "- (i) not below its best candidate by more than one standard error on "
            f"{len(best) - len(missed)} of {len(best)} sets{_listed(missed, '; below on ')}; "
            f"on the mean over sets {_over(list(best.values()))}."
        )
    for rival in ("uherding", "refine"):
        found = _results(sets, "autoal", rival)
        if found:
            won = [_share(sets[name], rival) for name in found]
            lines.append(
                f"- (ii) against {rival}: {_over(list(found.values()))} on the mean over sets, "
                f"ahead on {100 * float(np.mean(won)):.0f} % of the seeds."
            )
    learnt = _results(sets, "learnt_herding", "autoal")
    if len(learnt) > 1:
        over = compare([r.mean for r in learnt.values()], [0.0] * len(learnt), resamples=0)
        lines.append(f"- (iii) learnt weights minus the prior, sets as units: {tables.points(over)}.")
    least = _results(sets, "autoal", "random")
    if least:
        below = _below(least)
        lines.append(f"- (iv) below random by more than one standard error on {_listed(below, '') or 'no set'}.")
    return lines


def _results(sets: dict[str, tables.Values], first: str, second: str) -> dict[str, Comparison]:
    found = {name: _difference(area, first, second) for name, area in sets.items()}
    return {name: result for name, result in found.items() if result is not None}


def _below(results: dict[str, Comparison]) -> list[str]:
    return [name for name, result in results.items() if tables.clearly_below(result)]


def _listed(names: Sequence[str], before: str) -> str:
    return before + ", ".join(f"`{name}`" for name in names) if names else ""


def _share(area: tables.Values, rival: str) -> float:
    """Return the share of common seeds on which the default's area is larger; ties count half."""
    first, second = paired(area["autoal"], area[rival])
    return float(np.mean([0.5 + 0.5 * np.sign(a - b) for a, b in zip(first, second, strict=True)]))


def phases(study: Path, *names: str) -> str:
    """Differences to the default by third of the budget, and in which share of seeds and budgets it is ahead.

    Sets are the units: the mean over those that have the rival, its standard error, and how many.
    """
    frames: dict[str, pd.DataFrame] = {}
    for name in names:
        folder, _, setting = name.rpartition("/")
        frame = tables.load(study.parent / folder, setting)
        if frame is not None and "autoal" in set(frame["strategy"]):
            frames[name] = frame
    parts = [[tables.each_run(frame, third(i)) for i in range(len(PARTS))] for frame in frames.values()]
    rows = []
    for rival in dict.fromkeys(second for first, second in PAIRS if first == "autoal"):
        here = [own for own in parts if set(own[0].get(rival, ())) & set(own[0]["autoal"])]
        if not here:
            continue
        cells = [_over([tables.difference(own[i], "autoal", rival) for own in here]) for i in range(len(PARTS))]
        share = [_ahead(frame, rival) for frame in frames.values() if rival in set(frame["strategy"])]
        rows.append([f"autoal − {rival}", *cells, f"{100 * float(np.mean(share)):.0f}"])
    return tables.markdown(("difference", *(f"{part} budget" for part in PARTS), "ahead, %"), rows)


def _ahead(frame: pd.DataFrame, rival: str) -> float:
    """Return the share of common seeds and budgets after the first at which the default is ahead; ties half."""
    table = frame[frame["round"] > 0].pivot_table(index=["seed", "round"], columns="strategy", values="test_acc")
    both = table[["autoal", rival]].dropna()
    return float(np.mean(0.5 + 0.5 * np.sign(both["autoal"] - both[rival])))


KINDS = {"phases_of_rivals": phases, "bars": bars, "regimes": lifts}
"""The page's tables."""


def main() -> None:
    """Rewrite the page's tables."""
    changed = tables.update(PAGE, HERE, **KINDS)
    print(f"{PAGE.name} {'rewritten' if changed else 'is up to date'}")


if __name__ == "__main__":
    main()
