"""Why does loss prediction lose to random sampling on few labels? What its module knows, round by round.

python -m experiments.baselines_study.loss_prediction                       # digits, three seeds
python -m experiments.baselines_study.loss_prediction --collect             # rewrite the table from the results

Three arms: the strategy as it is; ``highest_loss``, which trains the same way but chooses by the true loss of the
unlabelled samples, as no strategy could; and ``random_joint``, which trains the same way and chooses at random.
For each query: the rank correlation of predicted and true losses over the pool, the mean true loss of the chosen
samples and of the pool, and the number of classes among the chosen.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoal.files import atomic_open
from autoal.logs import quiet
from experiments import tables
from experiments.small import DIGITS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "loss_prediction_digits.csv"
ARMS = ("loss_prediction", "highest_loss", "random_joint")
MEASURED = ("rank_correlation", "loss_chosen", "loss_pool", "classes")
COLUMNS = ("arm", "seed", "round", "n_labeled", "test_acc", *MEASURED)


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Return Spearman's rank correlation, ties in the order of their rows."""
    ranks = torch.stack([x.argsort(stable=True).argsort(stable=True).double() for x in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])


def run(arm: str, seed: int) -> Iterator[dict[str, Any]]:
    """Run one experiment and yield a row per round."""
    from hydra import compose, initialize_config_dir

    from autoal.config.command_line import conf_dir
    from autoal.kernels import Picks
    from autoal.query.contract import QueryContext
    from autoal.run.experiment import Experiment
    from autoal.strategies.loss_prediction import LossPredictionLoss

    overrides = [*DIGITS.overrides, "strategy=loss_prediction", f"seed={seed}"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("train", overrides=overrides)
    seen: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        experiment = Experiment.build(config, Path(scratch) / "run", overrides)
        targets = experiment.task.data.split("train").targets
        strategy = experiment.strategy
        assert isinstance(strategy, LossPredictionLoss)
        original = strategy.select

        def select(ctx: QueryContext, n: int) -> Picks:
            truth = targets[ctx.unlabelled.ids]
            losses = nn.functional.cross_entropy(ctx.unlabelled.logits, truth, reduction="none")
            # All of the pool in the order in which the module wants it.
            wanted = original(ctx, len(losses))
            predicted = torch.empty_like(losses)
            predicted[wanted.index] = wanted.score.to(losses)
            if arm == "loss_prediction":
                index = wanted.index[:n]
            elif arm == "highest_loss":
                index = losses.argsort(descending=True, stable=True)[:n]
            else:
                index = torch.randperm(len(losses), generator=ctx.generator("random"))[:n]
            seen.append(
                {
                    "rank_correlation": rank_correlation(predicted, losses),
                    "loss_chosen": float(losses[index].mean()),
                    "loss_pool": float(losses.mean()),
                    "classes": len(truth[index].unique()),
                }
            )
            return Picks(index, predicted[index], {})

        strategy.select = select  # type: ignore[method-assign]
        experiment.run()
        with (Path(scratch) / "run" / "rounds.csv").open(encoding="utf-8", newline="") as file:
            rounds = list(csv.DictReader(file))
    nothing = dict.fromkeys(MEASURED, "")
    for i, row in enumerate(rounds):
        result = {key: row[key] for key in ("round", "n_labeled", "test_acc")}
        yield {"arm": arm, "seed": seed, **result, **(seen[i] if i < len(seen) else nothing)}


def main() -> None:
    """Run what is missing and rewrite the README's table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--collect", action="store_true", help="run nothing")
    args = parser.parse_args()
    quiet()
    rows = list(csv.DictReader(RESULTS.open(encoding="utf-8", newline=""))) if RESULTS.exists() else []
    for seed in [] if args.collect else args.seeds:
        for arm in ARMS:
            if not any((row["arm"], int(row["seed"])) == (arm, seed) for row in rows):
                rows += run(arm, seed)
                with atomic_open(RESULTS) as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
    tables.main([HERE.name])


if __name__ == "__main__":
    main()
