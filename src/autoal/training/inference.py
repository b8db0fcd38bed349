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
        spread: On several ranks each may keep embeddings and Monte-Carlo logits of its own share alone, where the
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
    dtype = network_dtype(net)
    kept = compute_dtype(net.head.weight)
    world = data.world
    loader = data.eval_loader(split, ids)
    logits: list[Tensor] = []
    embeddings: list[Tensor] = []
    done = 0
    keep_embeddings = needs.embeddings or needs.mc_samples > 0
    with evaluating(net), torch.autocast(device.type, enabled=False):
        for raw in loader:
            out = net(data.transform.eval(raw.to(device), dtype))
            embedding = out.embedding.to(kept)
            logits.append(out.logits if dtype == kept else _head(net, embedding))
            if keep_embeddings:
                embeddings.append(embedding)
            done += len(raw)
            if progress is not None:
                progress(done, len(loader.ids))
        n_classes, width = net.head.out_features, net.embedding_dim
        all_logits = world.gather_rows(_cat(logits, n_classes, device, kept), len(ids))
        all_embeddings = None
        row = width * needs.embeddings + n_classes * needs.mc_samples
        row *= all_logits.element_size()
        spread = needs.spread and _worth_sharing(world, len(ids), row, data.spread_from)
        if keep_embeddings:
            all_embeddings = _cat(embeddings, width, device, kept)
            if not spread:
                all_embeddings = world.gather_rows(all_embeddings, len(ids))
        mc = None
        if needs.mc_samples and all_embeddings is not None:
            mc = net.mc_logits(all_embeddings, needs.mc_samples, mc_key)
    return PoolOutputs(ids.cpu(), all_logits, all_embeddings, mc, world if spread else None)


def _head(net: Classifier, embedding: Tensor) -> Tensor:
    """Return the logits of a network with narrow weights, from its embedding in float32."""
    return nn.functional.linear(embedding, net.head.weight.to(embedding), net.head.bias.to(embedding))


def _worth_sharing(world: World, rows: int, row_bytes: int, least: int) -> bool:
    """Whether a pool is so large that ranks gain by keeping a share each.

    In a smaller one the words that a sharded selection exchanges per pick take longer than the selection.
    """
    return world.size > 1 and rows >= world.size and rows * row_bytes >= least


def _cat(parts: list[Tensor], width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Join the batches' outputs, which go as they are joined; a rank without rows has the others' type."""
    if not parts:
        return torch.zeros((0, width), device=device, dtype=dtype)
    out = torch.empty((sum(map(len, parts)), width), device=device, dtype=dtype)
    parts.reverse()
    low = 0
    while parts:
        part = parts.pop()
        out[low : low + len(part)] = part
        low += len(part)
    return out
