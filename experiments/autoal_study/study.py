"""Does AutoAL's search pay? Every arm on every set with the same seeds, one row per cell as it ends.

python experiments/autoal_study/study.py run --sets digits mnist --data-dir data
python experiments/autoal_study/study.py report

A cell that already has a row is not run again, so the command continues where it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import fcntl
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
CANDIDATES = ("least_confidence", "margin", "entropy", "kmeans", "bald", "var_ratio", "mean_std")
ARMS: dict[str, dict[str, Any]] = {
    "random": {"name": "random"},
    **{name: {"name": name} for name in CANDIDATES},
    "badge": {"name": "badge"},
    "margin_kmeans": {"name": "margin_kmeans"},
    "autoal": {"name": "autoal"},
    "autoal_equal": {"name": "autoal_equal"},
    "autoal_paper": {"name": "autoal_paper"},
    "autoal_released": {"name": "autoal_released"},
    "global": {"name": "autoal", "weights": "global", "steps": 133, "anchor": 1.0},
    "sample": {"name": "autoal", "weights": "sample", "steps": 133, "anchor": 1.0},
    "equal_topb": {"name": "autoal_equal", "grading": "binary", "query": "topb"},
    "margin_only": {"name": "autoal_equal", "candidates": ["margin"]},
}


def register_control() -> None:
    """Register the control: the 10 b samples of least margin, then k-means weighted by it."""
    from autoal.inference import Needs
    from autoal.kernels import Picks, diverse_minibatch
    from autoal.strategies.base import QueryContext, QueryStrategy, StrategyInfo
    from autoal.strategies.registry import register

    @register("margin_kmeans")
    class MarginKMeans(QueryStrategy):
        """Margin's top 10 b, then weighted k-means."""

        info = StrategyInfo("hybrid", "margin, then weighted k-means", "Zhdanov", "2019")

        @property
        def needs(self) -> Needs:
            return Needs(embeddings=True)

        def select(self, ctx: QueryContext, n: int) -> Picks:
            assert ctx.unlabelled.embeddings is not None
            return diverse_minibatch(
                ctx.unlabelled.logits, ctx.unlabelled.embeddings, n, ctx.generator(), beta=10, max_iter=10
            )


def compose(name: str, arm: str, seed: int, data_dir: Path | None, run_dir: Path) -> dict[str, Any]:
    """Return the config of a cell."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    from autoal.config import conf_dir

    overrides = [*SETS[name], f"seed={seed}", f"paths.run_dir={run_dir}", "strategy=random"]
    overrides += [f"paths.data_dir={data_dir.absolute()}"] if data_dir else []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = OmegaConf.to_container(hydra_compose("train", overrides=overrides), resolve=True)
    assert isinstance(composed, dict)
    config = {str(key): value for key, value in composed.items() if key != "hydra"}
    config["strategy"] = ARMS[arm]
    config["logger"] = {}
    if name == "mnist":
        whole = config["dataset"]
        config["dataset"] = {"_target_": "sets.Part", "of": whole, "n_train": 10_000, "name": "mnist_10k"}
    elif name == "breast_cancer":
        config["dataset"] = {"_target_": "sets.BreastCancer", "name": name}
    elif name == "cifar10_jpeg_features":
        config["dataset"] = {"_target_": "sets.CifarFeatures", "name": name}
    return config


def run_cell(name: str, arm: str, seed: int, data_dir: Path | None) -> dict[str, Any]:
    """Run one experiment and return its row."""
    from autoal.experiment import Experiment

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run_dir = Path(folder) / "run"
        start = time.perf_counter()
        summary = Experiment.build(compose(name, arm, seed, data_dir, run_dir), run_dir).run()
        seconds = time.perf_counter() - start
        rows = list(csv.DictReader((run_dir / "rounds.csv").open()))
    queries = [float(row["seconds_search"]) + float(row["seconds_select"]) for row in rows[:-1]]
    weights = {key.removeprefix("weight_"): 0.0 for key in rows[0] if key.startswith("weight_")}
    for key in weights:
        weights[key] = sum(float(row[f"weight_{key}"]) for row in rows[:-1]) / max(1, len(rows) - 1)
    top = max(weights, key=weights.__getitem__) if weights else ""
    return {
        "arm": arm,
        "seed": seed,
        "final_acc": f"{summary['final_acc']:.6f}",
        "aubc": f"{summary['aubc']:.6f}",
        "seconds": f"{seconds:.1f}",
        "seconds_query": f"{sum(queries) / len(queries):.3f}",
        "top_weight": f"{weights[top]:.3f}" if top else "",
        "top_candidate": top,
        "curve": " ".join(f"{row['n_labeled']}:{float(row['test_acc']):.5f}" for row in rows),
    }


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


def run(sets: list[str], arms: list[str], seeds: int | None, data_dir: Path | None) -> None:
    """Run every cell that has no row yet, seed by seed, so that unfinished sets still pair up."""
    from autoal.logs import quiet
    from autoal.strategies.registry import strategies

    quiet()
    register_control()
    known = strategies()
    arms = [arm for arm in arms if ARMS[arm]["name"] in known]
    for name in sets:
        for seed in range(seeds or SEEDS[name]):
            for arm in arms:
                if any(row["arm"] == arm and int(row["seed"]) == seed for row in read(name)):
                    continue
                row = run_cell(name, arm, seed, data_dir)
                append(name, row)
                print(name, arm, seed, row["aubc"], row["final_acc"], f"{row['seconds']} s", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, help="default: 10 for small sets, 5 for the others")
    parser.add_argument("--data-dir", type=Path, help="root of the data files")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    if args.command == "run":
        run(args.sets, args.arms, args.seeds, args.data_dir)
    else:
        import report

        report.main(args.sets)


if __name__ == "__main__":
    main()
