"""Tables of the study from its result files: means, and paired differences with 95 % intervals.

python -m experiments.autoal_study.report    # into the study's README and docs/does_the_search_pay.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from autoal.analysis.stats import Comparison, compare, paired
from autoal.search.options import CANDIDATE_SETS
from experiments import tables
from experiments.readme import fill

HERE = Path(__file__).resolve().parent
CANDIDATES = CANDIDATE_SETS["paper7"]
SETS = ("digits", "mnist", "breast_cancer")
"""Sets that claims are made on."""
FROZEN = ("frozen_digits", "frozen_cifar10_jpeg", "frozen_trec6")
"""Development sets of frozen features."""
EXPONENT = (
    "frozen_digits_exponent",
    "frozen_cifar10_jpeg_exponent",
    "frozen_trec6_exponent",
    "digits_exponent",
    "breast_cancer_exponent",
)
"""Development sets of the exponent and the width."""
Runs = tables.Values


def load(name: str, measure: Callable[[pd.DataFrame], Runs], scale: float = 100.0) -> Runs:
    """Return a measure of every finished run by arm and seed; in percent unless scaled otherwise."""
    frame = tables.load(HERE, name)
    if frame is None:
        return {}
    return {arm: {seed: scale * v for seed, v in runs.items()} for arm, runs in measure(frame).items()}


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
    runs, final = load(name, tables.areas), load(name, tables.finals)
    seconds = load(name, tables.query_seconds, scale=1.0)
    if not runs:
        return ""
    best, mean = best_candidate(runs), mean_candidate(runs)
    against: dict[str, Callable[[dict[int, float]], str]] = {
        "random": lambda r: difference(r, runs["random"]),
        "mean candidate": lambda r: difference(r, mean),
        f"best candidate ({best})": lambda r: difference(r, runs[best]),
        "equal_kmeans": lambda r: difference(r, runs["equal_kmeans"]),
    }
    head = ["arm", "seeds", "AUBC", "final accuracy", *(f"AUBC − {key}" for key in against), "s / query"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for arm in sorted(runs, key=lambda a: -float(np.mean(list(runs[a].values())))):
        own = runs[arm]
        cost = f"{np.median(list(seconds[arm].values())):.2f}"
        row = [arm, str(len(own)), cell(own), cell(final[arm]), *(f(own) for f in against.values()), cost]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


SHOWN = ("autoal_search", "equal_kmeans", "margin_kmeans", "autoal_paper", "margin", "badge", "random")


def figure(name: str) -> Path:
    """Draw the mean learning curves of the main arms, less random's, and return the file."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    curves: dict[str, list[np.ndarray]] = {}
    labels: list[int] = []
    frame = tables.load(HERE, name)
    assert frame is not None
    for (arm, _), run in frame.groupby(["strategy", "seed"], sort=False):
        run = run.sort_values("round")
        labels = run["n_labeled"].tolist()
        curves.setdefault(str(arm), []).append(100 * run["test_acc"].to_numpy())
    figure_, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    base = np.mean(curves["random"], axis=0)
    for arm in (a for a in SHOWN if a in curves and a != "random"):
        axes.plot(
            labels, np.mean(curves[arm], axis=0) - base, marker="o", ms=3, label=f"{arm} ({len(curves[arm])})"
        )
    axes.axhline(0, color="0.5", lw=1, ls="--")
    axes.set(xlabel="labelled samples", ylabel="accuracy above random (points)", title=f"{name}: mean over seeds")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    path = HERE / "results" / f"{name}.png"
    figure_.savefig(path, dpi=120)
    plt.close(figure_)
    return path


def standard_errors(a: dict[int, float], b: dict[int, float]) -> float:
    """Return the paired mean difference in units of its standard error."""
    first, second = paired(a, b)
    result = compare(first, second, resamples=0)
    return result.mean / (result.sd / math.sqrt(result.n))


def main_differences(sets: list[str]) -> str:
    """Return the differences that answer the question, one column per set."""
    runs = {name: load(name, tables.areas) for name in sets}
    runs = {name: r for name, r in runs.items() if "autoal_search" in r and "equal_kmeans" in r}
    head = [f"{name}, {len(r['autoal_search'])} seeds" for name, r in runs.items()]
    pairs: list[tuple[str, str]] = [
        ("autoal_search", "random"),
        ("autoal_search", "mean candidate"),
        ("autoal_search", "best candidate"),
        ("search_flat", "best candidate"),
        ("equal_kmeans", "best candidate"),
        ("autoal_search", "fixed_kmeans"),
        ("fixed_kmeans", "equal_kmeans"),
        ("equal_topb", "equal_kmeans"),
        ("search_flat", "equal_kmeans"),
        ("autoal_search", "equal_kmeans"),
        ("autoal_search", "margin_kmeans"),
        ("autoal_paper", "best candidate"),
        ("autoal_paper", "equal_kmeans"),
        ("autoal_released", "equal_kmeans"),
    ]
    lines = ["| AUBC difference | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for a, b in pairs:
        cells = []
        for r in runs.values():
            other = {"mean candidate": mean_candidate, "best candidate": lambda x: x[best_candidate(x)]}.get(b)
            second = other(r) if other else r.get(b, {})
            cells.append(difference(r.get(a, {}), second) if set(r.get(a, {})) & set(second) else "not run")
        lines.append(f"| {a} − {b} | " + " | ".join(cells) + " |")
        if (a, b) == ("autoal_search", "best candidate"):
            errors = [standard_errors(r[a], r[best_candidate(r)]) for r in runs.values()]
            lines.append("| ... in standard errors | " + " | ".join(f"{e:+.1f}" for e in errors) + " |")
    best = ", ".join(f"{best_candidate(r)} on {name}" for name, r in runs.items())
    return "\n".join([*lines, "", f"Best candidate by mean AUBC: {best}."])


def development(sets: Sequence[str], base: str) -> str:
    """Return what was known when the default was chosen: AUBC minus that of an arm, on seeds from 100 on."""
    runs = {name: load(f"{name}_development", tables.areas) for name in sets}
    runs = {name: r for name, r in runs.items() if r}
    if not runs:
        return "Not run."
    head = [f"{name}, {len(r[base])} seeds" for name, r in runs.items()]
    lines = [f"| AUBC − {base} | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    arms = dict.fromkeys(arm for r in runs.values() for arm in r if arm != base)
    for arm in arms:
        cells = [difference(r[arm], r[base]) if arm in r else "not run" for r in runs.values()]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Put the tables into the README and the page."""
    there = [name for name in SETS if table(name)]
    parts = [f"### {name}\n\n![{name}](results/{figure(name).name})\n\n{table(name)}" for name in there]
    block = "\n\n".join(parts)
    put(HERE / "README.md", "arms", block)
    page = HERE.parents[1] / "docs" / "does_the_search_pay.md"
    put(page, "differences", main_differences(there))
    put(page, "development", development(SETS, "margin"))
    put(page, "rules", development(FROZEN, "random"))
    put(page, "exponent", development(EXPONENT, "autoal"))


def put(page: Path, part: str, block: str) -> None:
    """Write a block between a part's markers on a page."""
    page.write_text(fill(page.read_text(encoding="utf-8"), part, f"\n{block}\n"), encoding="utf-8")


if __name__ == "__main__":
    main()
