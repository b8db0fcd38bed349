"""Training hooks: the one way in which a strategy or a ``training`` config changes how the classifier is trained.

A strategy returns a hook from :meth:`QueryStrategy.training_hook
<autoal.query.contract.QueryStrategy.training_hook>`, a training method from :meth:`TrainingMethod.hook
<autoal.training.method.TrainingMethod.hook>`; the experiment joins them and makes them a part of
:class:`~autoal.training.lit.LitClassifier`. ``docs/training_hooks.md`` shows how to write one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from autoal.data.batch import Batch
from autoal.models.classifier import Classifier, ClassifierOutput

if TYPE_CHECKING:
    from autoal.distributed import World

M = TypeVar("M")
Samples = tuple[Tensor, Tensor]
"""Ids ``(n,)`` and classes ``(n,)``, both int64."""


class TrainingHook(nn.Module):
    """What is added to the classifier's training. Every method but the constructor may stay as it is.

    A hook is a module, so its parameters and buffers live on the classifier's device and in the checkpoint.
    Other state (an optimiser's) goes through :meth:`torch.nn.Module.get_extra_state`, in types that a
    checkpoint may hold: tensors, numbers, strings, lists and dicts.

    Parameters that require gradients are trained by the classifier's own optimiser, and every one of them
    must take part in each :meth:`extra_loss` (several processes average their gradients). Parameters that
    a hook trains by itself must not require gradients between its steps.
    """

    def on_round_start(self, round_: int) -> None:
        """Start a round: reset the hook's modules, as the classifier is reset.

        Not called when a run is resumed: the checkpoint brings the state of the round under way.
        """

    def on_epoch_start(self, round_: int, epoch: int) -> None:
        """Start an epoch of a round, both counted from 0. Called after a resume too."""

    def extra_samples(self) -> Samples | None:
        """Return samples that train along with the bought ones, or None.

        They are not bought: neither ledger nor pool ever sees the classes given here. Samples whose label
        has been bought are left out by the data module. Must be the same on every rank.
        """
        return None

    def joint_forward(self, net: Classifier, batch: Batch) -> ClassifierOutput | None:
        """Run the batch through the classifier together with rows of the hook's own, or return None.

        Batch statistics are then those of all rows. :meth:`extra_loss` of the same batch follows. Of several
        hooks, one at most may do it.

        Returns:
            What the classifier said about the batch only, with gradients.
        """
        return None

    def extra_loss(self, net: Classifier, batch: Batch, output: ClassifierOutput) -> Tensor | None:
        """Return a term to add to the loss of a batch, or None.

        Called on every rank for every batch, in training mode. The term must be such that its mean over
        ranks is the term of the global batch, like :func:`autoal.training.task.training_loss`.

        Args:
            net: The classifier under training.
            batch: This rank's share of the batch.
            output: What the classifier said about it, with gradients.
        """
        return None

    def on_step_end(self, net: Classifier) -> None:
        """End an optimiser step, on every rank; ``net`` has its new weights."""

    def round_net(self) -> Classifier | None:
        """Return the network that stands for the round in evaluations and queries; None: the one under training.

        Of several hooks, one at most may have one. At the end of a round its weights become the classifier's.
        """
        return None

    def on_round_end(self) -> dict[str, float]:
        """End a round, before the query; returns named numbers for the round's row."""
        return {}


class HookList(TrainingHook):
    """Several hooks as one, for strategies that are built of others.

    Args:
        hooks: At least one hook.
    """

    def __init__(self, hooks: Sequence[TrainingHook]) -> None:
        super().__init__()
        self.hooks = nn.ModuleList(hooks)

    def _all(self) -> list[TrainingHook]:
        return [hook for hook in self.hooks if isinstance(hook, TrainingHook)]

    def on_round_start(self, round_: int) -> None:
        """Start a round in each."""
        for hook in self._all():
            hook.on_round_start(round_)

    def on_epoch_start(self, round_: int, epoch: int) -> None:
        """Start an epoch in each."""
        for hook in self._all():
            hook.on_epoch_start(round_, epoch)

    def extra_samples(self) -> Samples | None:
        """Return the samples of all; where two disagree on a sample, the first one's class counts."""
        found = [s for s in (hook.extra_samples() for hook in self._all()) if s is not None]
        if not found:
            return None
        ids = torch.cat([ids for ids, _ in found])
        targets = torch.cat([targets for _, targets in found])
        order = torch.sort(ids, stable=True).indices
        ids, targets = ids[order], targets[order]
        first = torch.ones(len(ids), dtype=torch.bool)
        first[1:] = ids[1:] != ids[:-1]
        return ids[first], targets[first]

    def joint_forward(self, net: Classifier, batch: Batch) -> ClassifierOutput | None:
        """Return what the one hook that asks the classifier has found."""
        found = (hook.joint_forward(net, batch) for hook in self._all())
        return next((output for output in found if output is not None), None)

    def extra_loss(self, net: Classifier, batch: Batch, output: ClassifierOutput) -> Tensor | None:
        """Return the sum of the terms."""
        terms = [t for t in (hook.extra_loss(net, batch, output) for hook in self._all()) if t is not None]
        return torch.stack(terms).sum() if terms else None

    def on_step_end(self, net: Classifier) -> None:
        """End a step in each."""
        for hook in self._all():
            hook.on_step_end(net)

    def round_net(self) -> Classifier | None:
        """Return the network of the one hook that has one."""
        nets = (hook.round_net() for hook in self._all())
        return next((net for net in nets if net is not None), None)

    def on_round_end(self) -> dict[str, float]:
        """Return the numbers of all."""
        return {k: v for hook in self._all() for k, v in hook.on_round_end().items()}


def join_hooks(hooks: Sequence[TrainingHook | None]) -> TrainingHook | None:
    """Make one hook of several, some of which may be None."""
    present = [hook for hook in hooks if hook is not None]
    if len(present) < 2:
        return present[0] if present else None
    return HookList(present)


def seeded(build: Callable[[], M], seed: int) -> M:
    """Build modules whose initial weights follow from a stream's seed, the global random state untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def reset(module: nn.Module, build: Callable[[], nn.Module], seed: int) -> None:
    """Give a module in place the initial weights of :func:`seeded`.

    Optimisers and DDP hold on to the parameters themselves, so these stay and their values change.
    """
    module.load_state_dict(seeded(build, seed).state_dict())


def real_rows(batch: Batch) -> Tensor:
    """Return a mask ``(B,)`` of the batch's own samples; a sample of weight 0 only fills an empty rank."""
    return batch.weights > 0


def global_size(batch: Batch, world: World) -> int:
    """Return the number of samples of the batch over all ranks."""
    if world.size == 1:
        return len(batch.ids)
    return int(world.sum(real_rows(batch).sum().to(world.device)))


def whole_rows(mine: Tensor, n: int, world: World) -> Tensor:
    """Return the rows of a batch from all ranks ``(n, ...)``; gradients flow only into this rank's own.

    A loss of the whole batch times ``world.size`` then has, averaged over ranks, the gradient of that loss.
    """
    if world.size == 1:
        return mine
    rows = world.gather_rows(mine.detach(), n).clone()
    rows[world.rank :: world.size] = mine
    return rows
