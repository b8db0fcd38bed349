"""What one AutoAL search phase costs: the released code's schedule against this package's, on the same batch.

python -m experiments.benchmarks.search

Both take 200 warm-up and 400 search steps with the 7 candidates on one batch. The reference does at every step
what the released code does: 25 passes of the classifier, fits of k-means and of a Gaussian mixture, a pass of
SearchNet and of FitNet, and a backward pass of one of them. It is timed over a few steps of each kind and
extrapolated, which the output says. CPU seconds of this process are compared, so that other processes disturb
neither side.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autoal.data.base import DatasetInfo
from autoal.distributed import World
from autoal.kernels import bald, entropy, least_confidence, margin, mean_std, top_n
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier, DropoutKey
from autoal.query.registry import build
from autoal.run.machine import machine
from autoal.search.features import RowsById
from autoal.search.fitnet import FitNetTrainer
from autoal.search.halves import Counts, HeldOut
from autoal.search.loop import Search
from autoal.search.networks import SearchNet
from autoal.strategies.autoal import AutoAL
from autoal.training.inference import PoolOutputs, evaluating

RESULTS = Path(__file__).parent / "results" / "search.csv"
# The released networks: torchvision's ResNet-18 with a 3x3 stem of stride 1 and its max-pool.
RESNET = {
    "_target_": "autoal.models.resnet.ResNet",
    "name": "resnet18",
    "depth": 18,
    "stem": "cifar",
    "maxpool": True,
    "dropout": 0.5,
}
WARMUP, STEPS, SHARE = 200, 400, 0.04
SHAPES = {"resnet18 1x28x28": (1, 28, 28), "resnet18 3x32x32": (3, 32, 32)}
COUNTS = {"fitnet": WARMUP + 134, "searchnet": 133, "loss_prediction": 133}


def networks(shape: tuple[int, ...]) -> tuple[Classifier, Classifier, SearchNet]:
    """Return task model, FitNet and SearchNet."""
    factory = ClassifierFactory(RESNET, DatasetInfo("bench", shape, 10))
    prior = torch.full((7,), 1 / 7)
    return factory.build(0), factory.build(1), SearchNet(factory.build(2).backbone, prior, "full", 0)


class Reference:
    """The released code's step, written plainly.

    Args:
        task: The classifier that votes.
        fitnet: FitNet.
        searchnet: SearchNet.
        x: The batch.
        y: Its labels.
    """

    def __init__(self, task: Classifier, fitnet: Classifier, searchnet: SearchNet, x: Tensor, y: Tensor) -> None:
        self.task, self.fitnet, self.searchnet, self.x, self.y = task, fitnet, searchnet, x, y
        self.key = DropoutKey(0, torch.arange(len(x)))
        module = searchnet.loss_prediction
        assert module is not None
        self.optimizers = {
            "fitnet": torch.optim.Adam(fitnet.parameters(), lr=0.005),
            "searchnet": torch.optim.SGD(searchnet.search_parameters(), lr=0.005, momentum=0.9),
            "loss_prediction": torch.optim.SGD(module.parameters(), lr=0.005, momentum=0.9),
        }

    def votes(self) -> Tensor:
        """Run every candidate on its own passes: 5 deterministic, 2 times 10 with dropout, and k-means."""
        from sklearn.cluster import KMeans

        q = max(2, math.ceil(SHARE * len(self.x)))
        picks = []
        with evaluating(self.task):
            for score in (least_confidence, margin, entropy, least_confidence):
                picks.append(top_n(score(self.task(self.x).logits), q))
            embedding = self.task(self.x).embedding.numpy()
            fitted = KMeans(q, n_init=10, random_state=0).fit(embedding)
            picks.append(torch.from_numpy(np.argmin(fitted.transform(embedding), axis=0)))
            for disagreement in (bald, mean_std):
                self.task.train()
                passes = [self.task(self.x, self.key).logits for _ in range(10)]
                picks.append(top_n(disagreement(torch.stack(passes)), q))
                self.task.eval()
        votes = torch.zeros(len(self.x), 7)
        for column, rows in enumerate(picks):
            votes[rows, column] = 1.0
        return votes

    def step(self, kind: str) -> None:
        """Score the batch from scratch and update one network."""
        from sklearn.mixture import GaussianMixture

        votes = self.votes()
        out = self.searchnet(self.x)
        losses = nn.functional.cross_entropy(self.fitnet(self.x, self.key).logits, self.y, reduction="none")
        p = torch.softmax((out.logits * votes).sum(1), dim=0)
        fitted = GaussianMixture(min(5, len(p)), random_state=0).fit(p.detach().numpy()[:, None])
        level = float(np.percentile(fitted.sample(10_000)[0], 100 * (1 - SHARE)))
        gates = torch.sigmoid(1e11 * (p - level))
        pairs = len(losses) // 2 * 2
        difference = out.predicted[:pairs] - out.predicted[:pairs].flip(0)
        sign = torch.sign(losses.detach()[:pairs] - losses.detach()[:pairs].flip(0))
        loss = {
            "fitnet": (losses * gates.detach()).mean(),
            "searchnet": -(losses.detach() * gates).mean(),
            "loss_prediction": torch.relu(1 - sign * difference).mean(),
        }[kind]
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[kind].step()


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU seconds that a call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ours(part: float, task: Classifier, fitnet: Classifier, searchnet: SearchNet, x: Tensor, y: Tensor) -> Counts:
    """Run the search phase of ``autoal_paper``: votes once, and this part of its 600 steps."""
    from autoal.query.contract import QueryContext
    from autoal.search.votes import cast_votes

    strategy = build("autoal_paper")
    assert isinstance(strategy, AutoAL)
    options, ids, counts = strategy.options, torch.arange(len(x)), Counts()
    fetch = RowsById(ids, x)
    trainer = FitNetTrainer(fitnet, fetch, World(), options, 0, counts)
    trainer.warm_up(ids, y, round(part * WARMUP))
    with evaluating(fitnet):
        out = fitnet(x)
    counts.images["fitnet"] += len(x)
    outputs = PoolOutputs(ids, out.logits, out.embedding, fitnet.mc_logits(out.embedding, 10, 0))
    ctx = QueryContext(outputs, ids[:0], y[:0], 10, fitnet, fetch)
    wanted = max(1, math.ceil(SHARE * len(x)))
    votes = cast_votes(strategy.candidates, ctx, wanted, "binary", 1.0)
    losses = nn.functional.cross_entropy(out.logits, y, reduction="none")
    half = HeldOut(ids, y, votes, losses, wanted)
    generator = torch.Generator().manual_seed(0)
    search = Search(options, half, searchnet, trainer, fetch, strategy.prior, World(), generator, counts)
    search.run(round(part * STEPS))
    return counts


def compare(name: str, shape: tuple[int, ...], batch: int, per_kind: int, part: float) -> dict[str, Any]:
    """Time both on one batch."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(batch, *shape, generator=g), torch.randint(0, 10, (batch,), generator=g)
    reference = Reference(*networks(shape), x, y)
    reference.step("fitnet")  # first calls allocate
    seconds = {kind: [cpu_seconds(lambda k=kind: reference.step(k)) for _ in range(per_kind)] for kind in COUNTS}
    theirs = sum(COUNTS[kind] * sum(values) / len(values) for kind, values in seconds.items())
    nets = networks(shape)
    box: list[Counts] = []
    # The votes, which come once, are scaled with the steps: that is to our disadvantage.
    mine = cpu_seconds(lambda: box.append(ours(part, *nets, x, y))) / part
    forwards = sum(box[0].images.values()) / batch / part
    ratio = theirs / mine
    print(f"{name}, batch {batch}: reference {theirs:.1f} s (extrapolated from {3 * per_kind} of 600 steps)")
    print(
        f"  ours {mine:.1f} s (from {600 * part:.0f} of 600 steps); {forwards:.0f} forwards per image, not 16200"
    )
    print(f"ratio: {ratio:.1f}", flush=True)
    return {
        "case": name,
        "size": batch,
        "reference_steps": 3 * per_kind,
        "steps": round(600 * part),
        "reference_seconds": f"{theirs:.1f}",
        "seconds": f"{mine:.2f}",
        "ratio": f"{ratio:.2f}",
        "forwards_per_image": f"{forwards:.0f}",
        "wall_seconds": "",
    }


def frozen(preset: str, n_labelled: int = 500, n_pool: int = 1000, dim: int = 512) -> dict[str, Any]:
    """Time a whole query with heads on frozen features: votes, search and choice."""
    from autoal.data.base import Dataset, Split, TensorSource
    from autoal.data.datamodule import ActiveLearningDataModule
    from autoal.query.contract import QueryContext
    from autoal.training.optim import OptimizerRecipe
    from autoal.training.task import Task

    g = torch.Generator().manual_seed(0)
    n = n_labelled + n_pool
    targets = torch.randint(0, 10, (n,), generator=g)
    features = torch.randn(10, dim, generator=g)[targets] + 2.5 * torch.randn(n, dim, generator=g)

    class Features(Dataset):
        needs_files = False
        info = DatasetInfo("features", (dim,), 10)

        def load(self, root: Path) -> dict[str, Split]:
            return {part: Split(TensorSource(features), targets) for part in ("train", "test")}

    data = ActiveLearningDataModule(Features(), Path())
    data.setup()
    config = {"_target_": "autoal.models.mlp.MLP", "name": "mlp", "hidden": [256], "dropout": 0.5}
    task = Task(
        ClassifierFactory(config, Features.info),
        OptimizerRecipe({"_target_": "torch.optim.Adam", "lr": 0.001}, 20),
        data,
        0,
        20,
        0.99,
    )
    ids = torch.arange(n_labelled)
    data.pool.add(ids, data.oracle.buy(ids))
    net = task.initial_net()
    task.fit(net, ids, targets[ids], ("task", 0))
    strategy = build({"name": preset, "features": "frozen", "weights": "sample"})

    def query() -> None:
        from autoal.training.inference import Needs, pool_pass

        ctx = QueryContext(
            unlabelled=pool_pass(net, data, data.pool.unlabelled, strategy.needs),
            labelled=pool_pass(net, data, ids, Needs(embeddings=True)),
            labelled_ids=ids,
            labelled_targets=targets[ids],
            n_classes=10,
            net=net,
            inputs=lambda rows: features[rows],
            task=task,
        )
        strategy.query(ctx, 50)

    wall = time.perf_counter()
    seconds = cpu_seconds(query)
    wall = time.perf_counter() - wall
    print(f"{preset}, frozen features, {n_pool} candidates: {seconds:.2f} CPU s, {wall:.2f} s in all", flush=True)
    name = f"{preset} frozen, pool {n_pool}, 10 classes"
    return {"case": name, "size": n_pool, "seconds": f"{seconds:.2f}", "wall_seconds": f"{wall:.2f}"}


def main() -> None:
    """Run all cases and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16, help="images in the batch")
    parser.add_argument("--part", type=float, default=0.25, help="part of our own steps that is run")
    parser.add_argument("--per-kind", type=int, default=4, help="reference steps timed of each of the three kinds")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    rows = [frozen(preset) for preset in ("autoal_search", "autoal_paper")]
    rows += [compare(name, shape, args.batch, args.per_kind, args.part) for name, shape in SHAPES.items()]
    RESULTS.parent.mkdir(exist_ok=True)
    here = machine("cpu", 1)
    rows = [row | {"cpu": here["cpu"], "threads": here["threads"]} for row in rows]
    columns = list(rows[-1])
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
