"""FitNet: the network that learns from one half of the bought labels and has losses on the other."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from autoal.data.loader import global_batches
from autoal.distributed import World
from autoal.kernels.checks import Progress
from autoal.models.classifier import Classifier, DropoutKey
from autoal.rng import stream_seed
from autoal.search.halves import Counts
from autoal.search.networks import Fetch, freeze_batch_statistics
from autoal.search.options import SearchOptions
from autoal.search.steps import REPORT_EVERY, Share, make_optimizer
from autoal.training.precision import Mixed


@dataclass
class FitNetTrainer:
    """FitNet's own steps: warm-up and gated updates, with one optimiser for a whole round.

    Attributes:
        net: FitNet.
        fetch: Its inputs by sample id.
        world: The processes that share its steps.
        options: Learning rate and weight decay.
        seed: Seed of the dropout streams.
        counts: Counts forward passes.
        mixed: In which precision it is trained.
    """

    net: Classifier
    fetch: Fetch
    world: World
    options: SearchOptions
    seed: int
    counts: Counts
    mixed: Mixed = field(default_factory=Mixed)
    steps: int = 0

    def __post_init__(self) -> None:
        self.share = Share.of(self.net, self.world)
        self.parameters = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = make_optimizer("adam", self.parameters, self.options.fitnet_lr, self.options.weight_decay)

    def warm_up(self, ids: Tensor, targets: Tensor, steps: int, progress: Progress | None = None) -> float:
        """Train with equal gates on the train half; returns the last loss."""
        batches = itertools.cycle(global_batches(len(ids), self.options.batch_size, None))
        loss = 0.0
        for step, rows in zip(range(steps), batches, strict=False):
            mine = self.share.world.shard(rows)
            self.net.train()
            with self.mixed.forward():
                out = self.net(self.fetch(ids[mine]), self._key(ids[mine], targets.device))
            losses = nn.functional.cross_entropy(
                out.logits.float(), targets[mine.to(targets.device)], reduction="none"
            )
            value = self.share.whole(losses, len(rows)).mean()
            self.share.step(value, self.parameters, self.optimizer, self.mixed)
            self._count(len(rows))
            if step == steps - 1:
                loss = float(value.detach())
            if progress is not None and step % REPORT_EVERY == 0:
                progress(step, steps)
        return loss

    def update(self, ids: Tensor, targets: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
        r"""Take one step on :math:`L_F = \frac1B \sum_j \bar S_j \ell_j` (Eq. 7).

        A closed gate (0) gives no gradient, so the backward pass runs over the samples whose gate is open. Batch
        norm keeps the statistics of the warm-up: those of a few gated samples would be poor ones.

        Args:
            ids: A batch of the held-out half ``(B,)``.
            targets: Their labels ``(B,)``.
            gates: ``(B,)`` without gradient.

        Returns:
            The loss before the step, and the cross-entropy of each sample without dropout ``(B,)``: SearchNet's
            next step needs no pass of its own.
        """
        mine = self.share.world.shard(torch.arange(len(ids)))
        here = mine.to(targets.device)
        open_ = gates[here] > 0
        open_[:1] |= ~open_.any()  # a rank without an open gate takes part in the step all the same
        own, labels = ids[mine], targets[here]
        self.net.train()
        freeze_batch_statistics(self.net)
        with self.mixed.forward():
            out = self.net(self.fetch(own[open_.cpu()]), self._key(own[open_.cpu()], targets.device))
        losses = torch.zeros(len(own), device=targets.device)
        losses[open_] = nn.functional.cross_entropy(out.logits.float(), labels[open_], reduction="none")
        with torch.no_grad(), self.mixed.forward():
            logits = torch.empty((len(own), out.logits.shape[1]), device=targets.device)
            logits[open_] = self.net.head(out.embedding).float()
            if not bool(open_.all()):
                logits[~open_] = self.net.head(self.net.backbone(self.fetch(own[~open_.cpu()]))).float()
            clean = self.share.whole(nn.functional.cross_entropy(logits, labels, reduction="none"), len(ids))
        loss = (self.share.whole(losses, len(ids)) * gates).mean()
        # Without any open gate a step would be only the optimiser's momentum and weight decay.
        if bool((gates > 0).any()):
            self.share.step(loss, self.parameters, self.optimizer, self.mixed)
        self._count(len(ids))
        return loss.detach(), clean

    def _key(self, ids: Tensor, device: torch.device) -> DropoutKey:
        return DropoutKey(stream_seed(self.seed, self.steps), ids.to(device))

    def _count(self, n: int) -> None:
        self.steps += 1
        self.counts.images["fitnet"] += n
