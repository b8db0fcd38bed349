"""The pool pass: one sharded, ordered, eval-mode pass over samples, gathered by id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.distributed import World
from autoal.errors import unknown_name
from autoal.kernels.checks import Progress, compute_dtype
from autoal.models.classifier import Classifier

FEATURES = ("classifier", "static")
"""Where the features of a distance come from."""


@dataclass(frozen=True)
class Needs:
    """What a strategy wants the pool pass to compute; logits are always there.

    Attributes:
        embeddings: The penultimate features of every unlabelled sample.
        mc_samples: Number T of Monte-Carlo dropout samples (0: none).
        labelled: The same outputs for the labelled samples.
        static: Features that do not come from the classifier.
        spread: On several ranks each may keep embeddings and Monte-Carlo logits of its own share only, where the
            pool is large enough to gain by it. Counts for a strategy by itself: one that is built of others looks
            at all rows.
    """

    embeddings: bool = False
    mc_samples: int = 0
    labelled: bool = False
    spread: bool = False
    static: bool = False

    @classmethod
    def of_features(cls, kind: str, **others: Any) -> Needs:
        """Return the needs of a strategy that measures distances in features of a kind.

        Args:
            kind: ``"classifier"`` or ``"static"``, see :meth:`autoal.query.contract.QueryContext.features`.
            **others: Further fields.

        Raises:
            AutoALError: If there is no such kind.
        """
        if kind not in FEATURES:
            raise unknown_name("strategy.features", kind, FEATURES)
        if kind == "static":
            return cls(static=True, **others)
        return cls(embeddings=True, labelled=True, **others)

    def __or__(self, other: Needs) -> Needs:
        """Return what satisfies both."""
        return Needs(
            self.embeddings or other.embeddings,
            max(self.mc_samples, other.mc_samples),
            self.labelled or other.labelled,
            static=self.static or other.static,
        )


@dataclass
class PoolOutputs:
    """What the network says about N samples, in ascending id order.

    Attributes:
        ids: Sample ids, int64, ``(N,)``, CPU.
        logits: ``(N, C)``, float32 at least, as all of these numbers.
        embeddings: ``(N, D)`` or None; where ``spread`` is set, this rank's share of them.
        mc_logits: ``(T, N, C)`` or None; likewise.
        spread: Over whom embeddings and ``mc_logits`` are spread, as :meth:`~autoal.distributed.World.shard` deals
            them; None: every rank has them all.
    """

    ids: Tensor
    logits: Tensor
    embeddings: Tensor | None = None
    mc_logits: Tensor | None = None
    spread: World | None = None

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def take(self, rows: Tensor) -> PoolOutputs:
        """Return the outputs of some rows (positions or a mask)."""
        rows_ = rows.to(self.logits.device)
        return PoolOutputs(
            self.ids[rows.cpu()],
            self.logits[rows_],
            None if self.embeddings is None else self.embeddings[rows_],
            None if self.mc_logits is None else self.mc_logits[:, rows_],
        )


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module in eval mode without gradients, and put every submodule's mode back afterwards."""
    modes = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def network_dtype(net: nn.Module) -> torch.dtype:
    """Return the floating type of a network's parameters."""
    return next(net.parameters()).dtype


def pool_pass(
    net: Classifier,
    data: ActiveLearningDataModule,
    ids: Tensor,
    needs: Needs,
    mc_key: int = 0,
    split: str = "train",
    progress: Progress | None = None,
) -> PoolOutputs:
    """Run the network once over ``ids`` and return the same outputs on every rank.

    The network is not changed: eval mode, eval transform, no random state touched. It runs in the type of its
    parameters, without autocast, and what it says is kept in float32 at least: picks hang on small differences.

    Args:
        net: The classifier, on its device.
        data: Gives the inputs and this rank's place.
        ids: Which samples, ascending, ``(N,)``.
        needs: What to keep.
        mc_key: Seed of the MC-dropout masks.
        split: Which split ``ids`` index.
        progress: Told (samples done, samples in all) of this rank.
    """
    device = next(net.parameters()).device
    dtype, kept = network_dtype(net), compute_dtype(net.head.weight)
    world, n = data.world, len(ids)
    loader = data.eval_loader(split, ids)
    n_classes, width = net.head.out_features, net.embedding_dim
    row = (width * needs.embeddings + n_classes * needs.mc_samples) * kept.itemsize
    spread = needs.spread and _worth_sharing(world, n, row, data.spread_from)
    logits = GatheredRows(n, n_classes, kept, device, world)
    embeddings = None
    if needs.embeddings or needs.mc_samples:
        embeddings = GatheredRows(n, width, kept, device, world, whole=not spread)
    done = 0
    with evaluating(net), torch.autocast(device.type, enabled=False):
        for raw in loader:
            out = net(data.transform.eval(raw.to(device), dtype))
            embedding = out.embedding.to(kept)
            logits.add(out.logits if dtype == kept else _head(net, embedding))
            if embeddings is not None:
                embeddings.add(embedding)
            done += len(raw)
            if progress is not None:
                progress(done, len(loader.ids))
        features = None if embeddings is None else embeddings.take()
        mc = None
        if needs.mc_samples and features is not None:
            mc = net.mc_logits(features, needs.mc_samples, mc_key)
            features = features if needs.embeddings else None
    return PoolOutputs(ids.cpu(), logits.take(), features, mc, world if spread else None)


class GatheredRows:
    """Rows that a pass writes where they stay: at this rank's places among all, or in a share of its own.

    Args:
        n: Number of rows over all ranks.
        width: Numbers per row.
        dtype: Their type, the same on every rank.
        device: Where they are kept.
        world: How the rows are dealt.
        whole: Whether every rank gets the rows of all.
    """

    def __init__(
        self, n: int, width: int, dtype: torch.dtype, device: torch.device, world: World, whole: bool = True
    ) -> None:
        self._world, self._whole = world, whole
        count = n if whole else len(range(world.rank, n, world.size))
        self._rows = torch.empty((count, width), dtype=dtype, device=device)
        self._mine = self._rows[world.rank :: world.size] if whole else self._rows
        self._done = 0

    def add(self, part: Tensor) -> None:
        """Write this rank's next rows."""
        self._mine[self._done : self._done + len(part)] = part
        self._done += len(part)

    def take(self) -> Tensor:
        """Return the rows, once all of this rank's are there."""
        if self._whole:
            self._world.fill_in(self._rows)
        return self._rows


def _head(net: Classifier, embedding: Tensor) -> Tensor:
    """Return the logits of a network with narrow weights, from its embedding in float32."""
    return nn.functional.linear(embedding, net.head.weight.to(embedding), net.head.bias.to(embedding))


def _worth_sharing(world: World, rows: int, row_bytes: int, least: int) -> bool:
    """Whether a pool is so large that ranks gain by keeping a share each.

    In a smaller one the words that a sharded selection exchanges per pick take longer than the selection.
    """
    return world.size > 1 and rows >= world.size and rows * row_bytes >= least
