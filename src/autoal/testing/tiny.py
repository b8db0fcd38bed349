"""A tiny world: a small in-memory dataset, a network with batch norm and dropout, and an experiment on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.models.base import Backbone
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext, QueryStrategy
from autoal.query.interactive import Answer
from autoal.query.truth import truth_of
from autoal.training.inference import Needs, pool_pass
from autoal.training.optim import OptimizerRecipe
from autoal.training.task import Task

SHAPE = (1, 8, 8)
N_CLASSES = 3


class TinyBackbone(Backbone):
    """Convolution, batch norm, linear: everything that acquisition could disturb.

    Args:
        input_shape: ``(C, H, W)``.
        width: Width of the embedding.
    """

    def __init__(self, input_shape: tuple[int, ...], width: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(input_shape[0], 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4 * 16, width)
        self.embedding_dim = width
        self.stage_dims = (4, width)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the embedding ``(B, width)`` and the features of both stages."""
        h = torch.relu(self.norm(self.conv(x)))
        pooled = nn.functional.adaptive_avg_pool2d(h, 4).flatten(1)
        e = torch.relu(self.out(pooled))
        return e, [h, e]


class TinyImages(Dataset):
    """Noisy blobs of three classes, as uint8 images of 8 x 8 pixels.

    Args:
        n_train: Training samples.
        n_test: Test samples.
        duplicates: Whether most images are copies of another one.
        one_class: Whether all labels are the same.
    """

    needs_files = False

    def __init__(
        self, n_train: int = 60, n_test: int = 30, duplicates: bool = False, one_class: bool = False
    ) -> None:
        self.info = DatasetInfo("tiny", SHAPE, N_CLASSES, (0.5,), (0.25,))
        self._sizes = {"train": n_train, "test": n_test}
        self._duplicates = duplicates
        self._one_class = one_class

    def load(self, root: Path) -> dict[str, Split]:
        """Make the parts; nothing is read."""
        return {name: self._split(n, seed) for seed, (name, n) in enumerate(self._sizes.items())}

    def _split(self, n: int, seed: int) -> Split:
        rng = torch.Generator().manual_seed(seed)
        targets = torch.zeros(n, dtype=torch.int64) if self._one_class else torch.arange(n) % N_CLASSES
        centres = torch.rand(N_CLASSES, *SHAPE, generator=torch.Generator().manual_seed(7))
        images = centres[targets] + 0.3 * torch.randn(n, *SHAPE, generator=rng)
        if self._duplicates:
            images[: n // 2 * 2 : 2] = images[1 : n // 2 * 2 : 2]
            images[n // 2 :] = images[0]
        return Split(TensorSource((images.clamp(0, 1) * 255).to(torch.uint8)), targets)


BACKBONE = {"_target_": f"{TinyBackbone.__module__}.TinyBackbone", "name": "tiny", "dropout": 0.5}
OPTIMIZER = {"_target_": "torch.optim.Adam", "lr": 0.01}


def tiny_task(seed: int = 0, epochs: int = 2, dropout: float = 0.5, **dataset: Any) -> Task:
    """Return a task on the tiny dataset, with 12 labels bought.

    Args:
        seed: The experiment's seed.
        epochs: Upper bound of epochs.
        dropout: Of the network.
        **dataset: Arguments of :class:`TinyImages`.
    """
    data = ActiveLearningDataModule(TinyImages(**dataset), Path(), seed=seed, batch_size=8, eval_batch_size=16)
    data.setup()
    factory = ClassifierFactory({**BACKBONE, "dropout": dropout}, data.dataset.info)
    task = Task(factory, OptimizerRecipe(OPTIMIZER, epochs), data, seed, epochs, 0.99)
    ids = torch.arange(0, 36, 3) if dataset.get("one_class") else torch.arange(12)
    data.pool.add(ids, data.oracle.buy(ids))
    return task


def tiny_context(
    task: Task, strategy: QueryStrategy, net: Classifier | None = None, round_: int = 0
) -> QueryContext:
    """Return what the loop would give a strategy at the end of a round.

    Args:
        task: See :func:`tiny_task`.
        strategy: Its needs decide what the pool pass computes.
        net: A classifier; by default one is trained on the labelled pool.
        round_: The round.
    """
    data = task.data
    if net is None:
        net = task.initial_net()
        task.fit(net, data.pool.labelled, data.pool.labels(data.pool.labelled), ("task", 0))
    labelled_ids = data.pool.labelled
    return QueryContext(
        unlabelled=pool_pass(net, data, data.pool.unlabelled, strategy.needs, mc_key=5),
        labelled=pool_pass(net, data, labelled_ids, Needs(embeddings=True)) if strategy.needs.labelled else None,
        labelled_ids=labelled_ids,
        labelled_targets=data.pool.labels(labelled_ids),
        n_classes=N_CLASSES,
        net=net,
        inputs=lambda ids: data.transform.eval(data.split("train").source.fetch(ids)),
        seed=task.seed,
        stream=("strategy", round_),
        round=round_,
        task=task,
        answer=(lambda i, _: Answer(i, int(data.oracle.buy(torch.tensor([i]))))) if strategy.interactive else None,
        truth=truth_of(data) if strategy.reads_truth else None,
    )
