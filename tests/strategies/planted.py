"""Small worlds in which the right query is known, and training as the experiment does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext, QueryStrategy, Selection
from autoal.training.hooks import TrainingHook
from autoal.training.inference import Needs, pool_pass
from autoal.training.lit import LitClassifier
from autoal.training.optim import OptimizerRecipe
from autoal.training.task import Task


class Planted(Dataset):
    """Given tensors; the test split is the training split."""

    needs_files = False

    def __init__(self, inputs: Tensor, targets: Tensor, n_classes: int) -> None:
        self.info = DatasetInfo("planted", tuple(inputs.shape[1:]), n_classes)
        self._split = Split(TensorSource(inputs), targets)

    def load(self, root: Path) -> dict[str, Split]:
        return {"train": self._split, "test": self._split}


def planted_task(
    inputs: Tensor,
    targets: Tensor,
    labelled: Tensor,
    n_classes: int = 2,
    epochs: int = 20,
    hidden: tuple[int, ...] = (32,),
    seed: int = 0,
    batch_size: int = 32,
) -> Task:
    """Return a task on the tensors with some labels bought."""
    data = ActiveLearningDataModule(Planted(inputs, targets, n_classes), Path(), seed=seed, batch_size=batch_size)
    data.setup()
    backbone = {"_target_": "autoal.models.mlp.MLP", "hidden": list(hidden), "dropout": 0.0}
    factory = ClassifierFactory(backbone, data.dataset.info)
    task = Task(
        factory, OptimizerRecipe({"_target_": "torch.optim.Adam", "lr": 0.01}, epochs), data, seed, epochs, None
    )
    data.pool.add(labelled, data.oracle.buy(labelled))
    return task


def train_with_hook(task: Task, hook: TrainingHook | None, batches: int | None = None) -> LitClassifier:
    """Train one round as the Lightning trainer does, with the hook's part in it."""
    data = task.data
    module = LitClassifier(task.initial_net(), task.optimizer, hook)
    optimizer = module.configure_optimizers()["optimizer"]
    data.extra_samples = (lambda: None) if hook is None else hook.extra_samples
    if hook is not None:
        hook.on_round_start(data.round)
    module.train()
    for epoch in range(task.epochs):
        data.epoch = epoch
        if hook is not None:
            hook.on_epoch_start(data.round, epoch)
        for index, raw in enumerate(data.train_dataloader()):
            optimizer.zero_grad()
            module.training_step(data.to_network(raw), index).backward()
            optimizer.step()
            if hook is not None:
                hook.on_step_end(module.net)
    module.settle()
    return module


def context(task: Task, strategy: QueryStrategy, net: Classifier) -> QueryContext:
    """Return what the callback would give the strategy."""
    data = task.data
    ids = data.pool.labelled
    values: dict[str, Any] = {
        "unlabelled": pool_pass(net, data, data.pool.unlabelled, strategy.needs),
        "labelled": pool_pass(net, data, ids, Needs(embeddings=True)) if strategy.needs.labelled else None,
        "labelled_ids": ids,
        "labelled_targets": data.pool.labels(ids),
        "n_classes": data.dataset.info.n_classes,
        "net": net,
        "inputs": lambda rows: data.transform.eval(data.split("train").source.fetch(rows)),
        "seed": task.seed,
        "stream": ("strategy", data.round),
        "round": data.round,
        "task": task,
    }
    return QueryContext(**values)


def run_query(task: Task, strategy: QueryStrategy, n: int) -> Selection:
    """Train with the strategy's hook and query once."""
    module = train_with_hook(task, strategy.training_hook(task))
    return strategy.query(context(task, strategy, module.net), n)


def two_clusters(n: int = 300, share: float = 0.3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return inputs ``(n, 4)`` of a home cluster and a remote one, and a mask of the remote samples."""
    rng = torch.Generator().manual_seed(seed)
    remote = torch.rand(n, generator=rng) < share
    inputs = torch.randn(n, 4, generator=rng)
    inputs[remote] += torch.tensor([5.0, -5.0, 0.0, 0.0])
    return inputs, remote
