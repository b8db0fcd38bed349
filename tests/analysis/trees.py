"""Run trees that look like real ones, made without training anything."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import trapezoid

#: How much faster than random each strategy learns, and how much of it is chance.
SKILL = {
    "random": 1.0,
    "entropy": 1.12,
    "margin": 1.25,
    "coreset": 1.05,
    "badge": 1.3,
    "alfamix": 1.32,
    "autoal": 1.38,
}
CANDIDATES = ("entropy", "margin", "badge")


def write_run(
    path: Path,
    *,
    dataset: str = "digits",
    backbone: str = "mlp",
    strategy: str = "random",
    seed: int = 0,
    acc: Sequence[float] = (0.5, 0.6, 0.7),
    sizes: Sequence[int] | None = None,
    status: str = "finished",
    config: Mapping[str, Any] | None = None,
    strategy_config: Mapping[str, Any] | None = None,
    ledger: bool = True,
    classes: int = 10,
    pool: int = 1400,
    extra: Mapping[str, Sequence[float]] | None = None,
    summary: Mapping[str, Any] | None = None,
) -> Path:
    """Write one run directory with the files and keys that the framework writes."""
    sizes = list(sizes or range(10, 10 + 10 * len(acc), 10))
    settings = dict(config or {"loop": {"n_init": sizes[0], "n_query": 10}})
    recipe = hashlib.sha256(json.dumps([dataset, backbone, settings], sort_keys=True).encode()).hexdigest()[:8]
    rng = np.random.default_rng([seed, len(strategy), *strategy.encode()])
    (path / ".hydra").mkdir(parents=True)
    lines = [f"dataset:\n  name: {dataset}\nbackbone:\n  name: {backbone}\nstrategy:\n  name: {strategy}\n"]
    lines += [f"  {key}: {value}\n" for key, value in (strategy_config or {}).items()]
    for group, values in settings.items():
        lines.append(f"{group}:\n" + "".join(f"  {key}: {value}\n" for key, value in values.items()))
    (path / ".hydra" / "config.yaml").write_text("".join(lines) + f"seed: {seed}\n")

    seconds = {"train": 4.0 * SKILL.get(strategy, 1.0), "pool": 1.0, "search": 0.0, "select": 0.3, "test": 0.2}
    if strategy == "autoal":
        seconds["search"] = 3.0
    header = ["round", "n_labeled", "test_acc", "test_loss", "val_acc", "train_acc", "epochs"]
    header += [f"seconds_{phase}" for phase in seconds] + list(extra or {})
    with (path / "rounds.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        for r, (n, a) in enumerate(zip(sizes, acc, strict=True)):
            row = [r, n, f"{a:.6f}", f"{1 - a:.6f}", "", "0.99", 30]
            row += [f"{value * (0.9 + 0.2 * rng.random()):.4f}" for value in seconds.values()]
            writer.writerow(row + [f"{values[r]:.6f}" for values in (extra or {}).values()])
    if ledger:
        _write_ledger(path / "ledger.jsonl", rng, strategy, seed, sizes, classes, pool)
    values = np.asarray(acc, dtype=float)
    x = np.asarray(sizes, dtype=float)
    area = float(trapezoid(values, x) / (x[-1] - x[0])) if len(x) > 1 else float(values[0])
    content = {
        "status": status, "dataset": dataset, "backbone": backbone, "strategy": strategy, "seed": seed,
        "recipe": recipe, "final_acc": round(float(values[-1]), 6), "aubc": area, "n_labeled": sizes[-1],
        "rounds": len(acc), "seconds": 30.0 + seed,
        "versions": {"python": "3.12.1", "torch": "2.9.0", "autoal": "0.1.0"},
        "device": "cpu", "git_commit": "0123abc", "message": "",
    }  # fmt: skip
    (path / "summary.json").write_text(json.dumps(content | dict(summary or {})))
    return path


def _write_ledger(
    path: Path, rng: np.random.Generator, strategy: str, seed: int, sizes: Sequence[int], classes: int, pool: int
) -> None:
    # The same easily confused samples attract every strategy but random, as in real selections.
    hard = np.linspace(3.0, 0.2, pool) if strategy != "random" else np.ones(pool)
    labels = np.random.default_rng(7).integers(0, classes, pool)
    initial = np.random.default_rng(seed).permutation(pool)[: sizes[0]]
    weights = hard.copy()
    weights[initial] = 0.0
    bought = rng.choice(pool, size=sizes[-1] - sizes[0], replace=False, p=weights / weights.sum())
    order = [*((0, i, "init") for i in initial)]
    start = 0
    for r, (low, high) in enumerate(pairwise(sizes), start=1):
        order += [(r, i, "query") for i in bought[start : start + high - low]]
        start += high - low
    with path.open("w") as handle:
        for r, i, source in order:
            line = {
                "round": r, "id": int(i), "label": int(labels[i]), "strategy": strategy,
                "score": None if strategy == "random" else round(float(rng.random()), 5), "source": source,
                "time": "2025-06-01T12:00:00.000+00:00",
            }  # fmt: skip
            handle.write(json.dumps(line) + "\n")


def curve(strategy: str, seed: int, sizes: Sequence[int], end: float, hardness: float = 1.0) -> list[float]:
    """A saturating learning curve; the first point depends on the seed only, as in a paired experiment."""
    shared = np.random.default_rng(seed)
    own = np.random.default_rng([seed, *strategy.encode()])
    x = np.asarray(sizes, dtype=float)
    speed = SKILL.get(strategy, 1.1) / (hardness * (x[-1] - x[0]) * 0.35)
    acc = end - (end - 0.35) * np.exp(-(x - x[0]) * speed)
    acc += shared.normal(0, 0.012) + np.where(x > x[0], own.normal(0, 0.006, x.size), 0.0)
    return [float(np.clip(round(a, 4), 0.0, 1.0)) for a in acc]


def write_tree(
    root: Path,
    *,
    datasets: Sequence[str] = ("digits",),
    backbones: Sequence[str] = ("mlp",),
    strategies: Sequence[str] = ("random", "entropy", "margin", "badge", "autoal"),
    seeds: Sequence[int] = range(5),
    rounds: int = 11,
    n_init: int = 10,
    n_query: int = 10,
    **options: Any,
) -> Path:
    """Write a grid of runs in the layout of a default run directory."""
    sizes = [n_init + n_query * r for r in range(rounds)]
    for d, dataset in enumerate(datasets):
        for backbone in backbones:
            for strategy in strategies:
                for seed in seeds:
                    extra = None
                    if strategy == "autoal":
                        raw = np.random.default_rng(seed).dirichlet([2, 3, 4], size=rounds).T
                        extra = {f"weight_{c}": list(w) for c, w in zip(CANDIDATES, raw, strict=True)}
                    write_run(
                        root / dataset / backbone / strategy / f"seed={seed}" / "2025-06-01_12-00-00",
                        dataset=dataset, backbone=backbone, strategy=strategy, seed=seed, sizes=sizes, extra=extra,
                        acc=curve(strategy, seed + 100 * d, sizes, 0.97 - 0.06 * d, 1.0 + 0.15 * d), **options,
                    )  # fmt: skip
    return root
