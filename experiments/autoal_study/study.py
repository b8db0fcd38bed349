"""Does AutoAL's search pay? Every arm on every set with the same seeds, one row per cell as it ends.

python experiments/autoal_study/study.py run --sets digits mnist --data-dir data
python experiments/autoal_study/study.py develop --sets digits breast_cancer    # what chose the default
python experiments/autoal_study/study.py report

A cell that already has a row is not run again, so the command continues where it was interrupted.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from autoal.search.options import CANDIDATE_SETS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
COLUMNS = ["arm", "seed", "final_acc", "aubc", "seconds", "seconds_query", "top_weight", "top_candidate", "curve"]

_MLP = ["backbone=mlp", "trainer=cpu"]
SETS: dict[str, list[str]] = {
    # The embedded digits with the default loop: 40 + 10 x 20 labels.
    "digits": [*_MLP, "dataset=digits", "backbone.hidden=[128]"],
    # 10,000 images of MNIST: 100 + 10 x 100 labels.
    "mnist": [
        *_MLP,
        "dataset=mnist",
        "loop.n_init=100",
        "loop.n_query=100",
        "loop.batch_size=64",
    ],
    # Histograms of gradients of 10,000 CIFAR-10 images: 200 + 8 x 100 labels; hard, with overlapping classes.
    "cifar10_jpeg_features": [
        *_MLP,
        "loop.n_init=200",
        "loop.n_query=100",
        "loop.n_rounds=8",
        "loop.batch_size=64",
    ],
    # A table with two classes: 10 + 10 x 5 labels.
    "breast_cancer": [*_MLP, "backbone.hidden=[64]", "loop.n_init=10", "loop.n_query=5", "loop.batch_size=16"],
}
SEEDS = {"digits": 10, "mnist": 5, "cifar10_jpeg_features": 5, "breast_cancer": 10}
CANDIDATES = CANDIDATE_SETS["paper7"]
ARMS: dict[str, dict[str, Any]] = {
    "random": {"name": "random"},
    **{name: {"name": name} for name in CANDIDATES},
    "badge": {"name": "badge"},
    # The 10 b samples of least margin, then k-means weighted by it.
    "margin_kmeans": {"name": "diverse_minibatch", "beta": 10, "max_iter": 10},
    "autoal": {"name": "autoal"},
    "autoal_equal": {"name": "autoal_equal"},
    "autoal_paper": {"name": "autoal_paper"},
    "autoal_released": {"name": "autoal_released"},
    "autoal_fixed": {"name": "autoal", "weights": "fixed"},
    "autoal_flat": {"name": "autoal", "prior": None},
    "autoal_sample": {"name": "autoal", "weights": "sample"},
    "equal_topb": {"name": "autoal_equal", "grading": "binary", "query": "topb"},
    "margin_only": {"name": "autoal_equal", "candidates": ["margin"]},
    "half_fixed": {"name": "autoal", "weights": "fixed", "prior": {"margin": 0.5}},
    "equal_window5": {"name": "autoal_equal", "window": 5.0},
    "equal_window20": {"name": "autoal_equal", "window": 20.0},
}
DEVELOPMENT = (
    *("margin", "margin_kmeans", "margin_only", "autoal", "autoal_fixed", "half_fixed"),
    *("autoal_equal", "equal_window5", "equal_window20", "equal_topb"),
)
"""Arms among which the default was chosen, on seeds that the tables do not use."""
ONLY_DEVELOPMENT = ("half_fixed", "equal_window5", "equal_window20")


def compose(name: str, arm: str, seed: int, data_dir: Path | None, run_dir: Path) -> dict[str, Any]:
    """Return the config of a cell."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    from autoal.config.command_line import conf_dir

    overrides = [*SETS[name], f"seed={seed}", f"paths.run_dir={run_dir}", "strategy=random"]
    overrides += [f"paths.data_dir={data_dir.absolute()}"] if data_dir else []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = OmegaConf.to_container(hydra_compose("train", overrides=overrides), resolve=True)
    assert isinstance(composed, dict)
    config = {str(key): value for key, value in composed.items() if key != "hydra"}
    config["strategy"] = ARMS[arm]
    config["logger"] = {}
    if name == "mnist":
        whole = {"_target_": "autoal.data.mnist.IdxImages", "which": "mnist"}
        config["dataset"] = {"_target_": "sets.Part", "of": whole, "n_train": 10_000, "name": "mnist_10k"}
    elif name == "breast_cancer":
        config["dataset"] = {"_target_": "sets.BreastCancer", "name": name}
    elif name == "cifar10_jpeg_features":
        config["dataset"] = {"_target_": "sets.CifarFeatures", "name": name}
    return config


def run_cell(name: str, arm: str, seed: int, data_dir: Path | None) -> dict[str, Any]:
    """Run one experiment and return its row.

    These are the rounds of ``train.py`` without its Trainer, checkpoints and figures: the same parts, random
    streams and therefore accuracies (``tests/strategies/test_autoal_study.py`` compares them), in less time.
    """
    from autoal.analysis.curves import aubc

    experiment = build(name, arm, seed, data_dir)
    start = time.perf_counter()
    rows = rounds(experiment)
    curve = [(row["n_labeled"], row["test_acc"]) for row in rows]
    weights = mean_weights(rows)
    top = max(weights, key=weights.__getitem__) if weights else ""
    return {
        "arm": arm,
        "seed": seed,
        "final_acc": f"{curve[-1][1]:.6f}",
        "aubc": f"{aubc([n for n, _ in curve], [acc for _, acc in curve]):.6f}",
        "seconds": f"{time.perf_counter() - start:.1f}",
        "seconds_query": f"{sum(row.get('seconds_query', 0.0) for row in rows) / (len(rows) - 1):.3f}",
        "top_weight": f"{weights[top]:.3f}" if top else "",
        "top_candidate": top,
        "curve": " ".join(f"{n}:{acc:.5f}" for n, acc in curve),
    }


def build(name: str, arm: str, seed: int, data_dir: Path | None) -> Any:
    """Return the experiment of a cell, with nothing run or written."""
    from autoal.run.experiment import Experiment

    nowhere = Path(tempfile.gettempdir()) / "autoal_study_writes_nothing"
    return Experiment.build(compose(name, arm, seed, data_dir, nowhere), nowhere)


def rounds(experiment: Any) -> list[dict[str, float]]:
    """Train, evaluate, query and buy, round after round."""
    import torch

    from autoal.query.contract import QueryContext
    from autoal.rng import generator, stream_seed
    from autoal.training.inference import Needs, evaluate, pool_pass

    torch.set_flush_denormal(True)
    task, loop, strategy, seed = experiment.task, experiment.loop, experiment.strategy, experiment.task.seed
    data, pool = task.data, task.data.pool
    first = pool.unlabelled[torch.randperm(len(pool.unlabelled), generator=generator(seed, "initial_set"))]
    first = first[: loop.n_init]
    pool.add(first, data.oracle.buy(first))
    rows: list[dict[str, float]] = []
    for round_ in range(loop.n_rounds + 1):
        ids, net = pool.labelled, task.initial_net()
        task.fit(net, ids, pool.labels(ids), ("task", round_))
        rows.append({"n_labeled": len(ids), "test_acc": evaluate(net, data, "test").accuracy})
        if round_ == loop.n_rounds:
            break
        start = time.perf_counter()
        mc_key = stream_seed(seed, "mc", round_)
        seen = pool_pass(net, data, ids, Needs(embeddings=True), mc_key) if strategy.needs.labelled else None
        ctx = QueryContext(
            unlabelled=pool_pass(net, data, pool.unlabelled, strategy.needs, mc_key),
            labelled=seen,
            labelled_ids=ids,
            labelled_targets=pool.labels(ids),
            n_classes=data.dataset.info.n_classes,
            net=net,
            inputs=lambda rows: data.transform.eval(data.split("train").source.fetch(rows)),
            seed=seed,
            stream=("strategy", round_),
            round=round_,
            task=task,
        )
        selection = strategy.query(ctx, loop.n_query)
        rows[-1] |= {"seconds_query": time.perf_counter() - start, **selection.log}
        pool.add(selection.ids, data.oracle.buy(selection.ids))
    return rows


def mean_weights(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return each candidate's weight, averaged over the queries."""
    asked = [row for row in rows if "seconds_query" in row]
    names = [key for key in asked[0] if key.startswith("weight_")]
    return {key.removeprefix("weight_"): sum(row[key] for row in asked) / len(asked) for key in names}


def read(name: str) -> list[dict[str, str]]:
    """Return the rows of a set."""
    path = RESULTS / f"{name}.csv"
    return list(csv.DictReader(path.open())) if path.exists() else []


def append(name: str, row: dict[str, Any]) -> None:
    """Add a row; several processes may share the file."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def run(sets: list[str], arms: list[str], seeds: int | None, data_dir: Path | None, develop: bool = False) -> None:
    """Run every cell that has no row yet, seed by seed, so that unfinished sets still pair up.

    Args:
        sets: Names of sets.
        arms: Names of arms.
        seeds: How many; None: the set's own number.
        data_dir: Root of the data files.
        develop: Use seeds from 100 on, and files of their own.
    """
    from autoal.logs import quiet

    quiet()
    first, suffix = (100, "_development") if develop else (0, "")
    for name in sets:
        for seed in range(first, first + (seeds or SEEDS[name])):
            for arm in arms:
                if any(row["arm"] == arm and int(row["seed"]) == seed for row in read(name + suffix)):
                    continue
                row = run_cell(name, arm, seed, data_dir)
                append(name + suffix, row)
                print(name, arm, seed, row["aubc"], row["final_acc"], f"{row['seconds']} s", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "develop", "report"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="default: those of the tables, or of the choice")
    parser.add_argument("--seeds", type=int, help="default: 10 for small sets, 5 for the others")
    parser.add_argument("--data-dir", type=Path, help="root of the data files")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    develop = args.command == "develop"
    if args.command != "report":
        usual = DEVELOPMENT if develop else [arm for arm in ARMS if arm not in ONLY_DEVELOPMENT]
        run(args.sets, args.arms or list(usual), args.seeds, args.data_dir, develop)
    else:
        import report

        report.main(args.sets)


if __name__ == "__main__":
    main()
