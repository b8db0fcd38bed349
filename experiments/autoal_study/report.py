"""Tables of the study from its result files: means, and paired differences with 95 % intervals."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autoal.analysis.stats import Comparison, compare, paired

HERE = Path(__file__).resolve().parent
START, END = "<!-- tables -->", "<!-- end of tables -->"
CANDIDATES = ("least_confidence", "margin", "entropy", "kmeans", "bald", "var_ratio", "mean_std")
Runs = dict[str, dict[int, float]]


def load(name: str, column: str) -> Runs:
    """Return values in percent by arm and seed."""
    path = HERE / "results" / f"{name}.csv"
    runs: Runs = {}
    if path.exists():
        for row in csv.DictReader(path.open()):
            runs.setdefault(row["arm"], {})[int(row["seed"])] = 100 * float(row[column])
    return runs


def mean_candidate(runs: Runs) -> dict[int, float]:
    """Return the mean of the candidates on the seeds that all of them have."""
    there = [runs[c] for c in CANDIDATES if c in runs]
    if len(there) < len(CANDIDATES):
        return {}
    seeds = set.intersection(*(set(r) for r in there))
    return {seed: float(np.mean([r[seed] for r in there])) for seed in seeds}


def best_candidate(runs: Runs) -> str:
    """Return the candidate of highest mean AUBC: chosen afterwards, which favours it."""
    there = [c for c in CANDIDATES if c in runs]
    return max(there, key=lambda c: float(np.mean(list(runs[c].values()))))


def cell(values: dict[int, float]) -> str:
    """Return mean and standard deviation."""
    numbers = list(values.values())
    spread = f" ± {np.std(numbers, ddof=1):.2f}" if len(numbers) > 1 else ""
    return f"{np.mean(numbers):.2f}{spread}"


def difference(a: dict[int, float], b: dict[int, float]) -> str:
    """Return the paired mean difference with its 95 % interval."""
    first, second = paired(a, b)
    result: Comparison = compare(first, second, resamples=0)
    if result.n < 2 or math.isnan(result.low):
        return f"{result.mean:+.2f}" if result.n else ""
    return f"{result.mean:+.2f} [{result.low:+.2f}, {result.high:+.2f}]"


def table(name: str) -> str:
    """Return the Markdown table of a set."""
    runs, final = load(name, "aubc"), load(name, "final_acc")
    seconds = {arm: {s: v / 100 for s, v in r.items()} for arm, r in load(name, "seconds_query").items()}
    if not runs:
        return ""
    best, mean = best_candidate(runs), mean_candidate(runs)
    against: dict[str, Callable[[dict[int, float]], str]] = {
        "random": lambda r: difference(r, runs["random"]),
        "mean candidate": lambda r: difference(r, mean),
        f"best candidate ({best})": lambda r: difference(r, runs[best]),
        "autoal_equal": lambda r: difference(r, runs["autoal_equal"]),
    }
    head = ["arm", "seeds", "AUBC", "final accuracy", *(f"AUBC − {key}" for key in against), "s / query"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for arm in sorted(runs, key=lambda a: -float(np.mean(list(runs[a].values())))):
        own = runs[arm]
        cost = f"{np.median(list(seconds[arm].values())):.2f}"
        row = [arm, str(len(own)), cell(own), cell(final[arm]), *(f(own) for f in against.values()), cost]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main(sets: list[str]) -> None:
    """Print the tables and put them into the README."""
    parts = [f"### {name}\n\n{text}" for name in sets if (text := table(name))]
    block = "\n\n".join(parts)
    print(block)
    readme = HERE / "README.md"
    if readme.exists() and START in readme.read_text():
        before, rest = readme.read_text().split(START)
        after = rest.split(END)[1]
        readme.write_text(f"{before}{START}\n\n{block}\n\n{END}{after}")
