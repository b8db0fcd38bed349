"""How a classifier is trained in one experiment: once as a Lightning module, and as a plain loop.

The Lightning trainer trains the task model. Strategies that need further networks of the same kind (FitNet,
ensemble members) train them here by the same protocol: same loss, optimiser, order streams and stop.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning.pytorch.plugins.precision import Precision
from torch import Tensor, nn

from autoal.data.batch import Batch
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.distributed import World
from autoal.kernels.checks import Progress
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier, ClassifierOutput, DropoutKey
from autoal.rng import stream_seed
from autoal.training.inference import network_dtype
from autoal.training.lbfgs import reached_optimum
from autoal.training.optim import OptimizerRecipe
from autoal.training.precision import Mixed
from autoal.training.sharing import sharers


@dataclass(frozen=True)
class FitResult:
    """How a training ended.

    Attributes:
        epochs: Epochs trained.
        train_acc: Running training accuracy of the last epoch.
        steps: Optimiser steps taken.
    """

    epochs: int
    train_acc: float
    steps: int


def dropout_seed(batch: Batch) -> int:
    """Return the seed of a batch's dropout masks."""
    return stream_seed(batch.epoch_key, "dropout")


def training_loss(
    net: Classifier, batch: Batch, output: ClassifierOutput | None = None
) -> tuple[Tensor, ClassifierOutput]:
    """Return the weighted cross-entropy of a batch and the outputs it came from.

    The weights make the mean over ranks of this sum the mean over the global batch.

    Args:
        net: The classifier.
        batch: This rank's share of the batch.
        output: What the classifier says about it, where it has been asked already.
    """
    device = next(net.parameters()).device
    out = output or net(batch.inputs, DropoutKey(dropout_seed(batch), batch.keys.to(device)))
    loss = nn.functional.cross_entropy(out.logits, batch.targets.to(device), reduction="none")
    return (loss * batch.weights.to(loss)).sum(), out


@dataclass
class Task:
    """The experiment's recipe for classifiers.

    Attributes:
        factory: Builds networks.
        optimizer: The update rule and its schedule.
        data: Inputs, pool and this rank's place.
        seed: The experiment's seed.
        epochs: Upper bound of epochs.
        stop_train_acc: Stop when the running training accuracy of an epoch reaches it; None: never.
        device: Where networks live.
        dtype: Floating type of the networks.
        precision: The trainer's precision, which further networks are trained in; None: that of ``dtype``.
        sync_batchnorm: Whether further networks take batch statistics over all ranks, as the classifier does.
    """

    factory: ClassifierFactory
    optimizer: OptimizerRecipe
    data: ActiveLearningDataModule
    seed: int
    epochs: int
    stop_train_acc: float | None
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32
    precision: Precision | None = None
    sync_batchnorm: bool = False

    def mixed(self) -> Mixed:
        """Return how one more network is trained in the trainer's precision."""
        return Mixed(self.precision)

    def new_net(self, *stream: str | int, n_outputs: int | None = None) -> Classifier:
        """Build a network on the device whose initial weights follow from the seed and the name."""
        net = self.factory.build(stream_seed(self.seed, *stream), n_outputs)
        net.drops_in_training = not self.optimizer.full_batch
        if self.sync_batchnorm and self.data.world.size > 1:
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # what Lightning does with the classifier
        return net.to(device=self.device, dtype=self.dtype)

    def initial_net(self) -> Classifier:
        """Build a network with the initial weights that every round and every strategy starts from."""
        return self.new_net("init")

    def fit(
        self,
        net: Classifier,
        ids: Tensor,
        targets: Tensor,
        stream: tuple[str | int, ...],
        progress: Progress | None = None,
        max_steps: int | None = None,
    ) -> FitResult:
        """Train a network on bought samples by the task's protocol, on every rank alike.

        Args:
            net: The network, changed in place.
            ids: Sample ids ``(n,)``.
            targets: Their bought labels ``(n,)``.
            stream: Names the order, augmentation and dropout streams.
            progress: Told (epochs done, upper bound).
            max_steps: A further bound on optimiser steps.
        """
        shape, batch_size = self.data.dataset.info.input_shape, self.data.batch_size or len(ids)
        world = sharers(net, shape, batch_size, self.data.world)
        optimizer = self.optimizer.optimizer(net.parameters())
        scheduler, mixed = self.optimizer.scheduler(optimizer), self.mixed()
        steps, accuracy, epoch = 0, 0.0, 0
        net.train()
        for epoch in range(1, self.epochs + 1):
            correct = torch.zeros((), dtype=torch.float64, device=self.device)
            loader = self.data.train_loader(ids, targets, stream, epoch - 1, world=world)
            for raw in loader:
                batch = self.data.to_network(raw._replace(inputs=raw.inputs.to(self.device)), network_dtype(net))
                look = _Look(net, batch, optimizer, world, mixed)
                if self.optimizer.full_batch:
                    optimizer.step(look)  # type: ignore[arg-type]  # torch means whatever the optimiser takes
                else:
                    look()
                    mixed.step(optimizer)
                correct += count_correct(look.logits, batch)
                steps += 1
                if max_steps is not None and steps >= max_steps:
                    break
            scheduler.step()
            accuracy = float(world.sum(correct)) / loader.samples
            if progress is not None:
                progress(epoch, self.epochs)
            done = (max_steps is not None and steps >= max_steps) or reached_optimum(optimizer)
            if done or (self.stop_train_acc is not None and accuracy >= self.stop_train_acc):
                break
        # Each rank's batch statistics are of its own share, or its steps its own; the network is to be one.
        self.data.world.sync(net)
        return FitResult(epoch, accuracy, steps)


class _Look:
    """One look at a batch: gradients of the loss, averaged over ranks; the optimiser decides how often.

    Attributes:
        logits: What the network said at the last look.
    """

    def __init__(
        self, net: Classifier, batch: Batch, optimizer: torch.optim.Optimizer, world: World, mixed: Mixed
    ) -> None:
        self._net, self._batch, self._optimizer, self._world = net, batch, optimizer, world
        self._mixed = mixed
        self.logits = torch.empty(0)

    def __call__(self) -> Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        with self._mixed.forward():
            loss, out = training_loss(self._net, self._batch)
        torch.autograd.backward(self._mixed.scaled(loss))
        self._world.average_gradients(self._net.parameters())
        self.logits = out.logits
        return loss


def count_correct(logits: Tensor, batch: Batch) -> Tensor:
    """Count right predictions, leaving out the samples of weight 0 that only fill a rank."""
    right = logits.detach().argmax(1) == batch.targets.to(logits.device)
    return (right & (batch.weights.to(logits.device) > 0)).sum().double()
