"""What the networks of the search see: eval-transformed samples, or frozen embeddings of the task model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from autoal.models.base import Backbone
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext
from autoal.search.networks import Fetch, Identity, head_on_features
from autoal.training.inference import Needs, PoolOutputs, evaluating, network_dtype, pool_pass
from autoal.training.task import Task

_CACHE_BYTES = 512 << 20
_CHUNK = 1024


class RowsById:
    """Rows by sample id.

    Args:
        ids: Ascending ids ``(N,)``.
        rows: ``(N, ...)``.
    """

    def __init__(self, ids: Tensor, rows: Tensor) -> None:
        self._ids = ids.cpu().contiguous()
        self._rows = rows

    def __call__(self, ids: Tensor) -> Tensor:
        """Return the rows of ``ids``, ``(B, ...)``."""
        return self._rows[torch.searchsorted(self._ids, ids.cpu().contiguous()).to(self._rows.device)]


class NetworkInputs(ABC):
    """One way of feeding FitNet and SearchNet.

    Attributes:
        whole: Whether samples pass whole networks, which train by the task's protocol and count as forward passes.
        needs: What the pool pass must compute for it.
    """

    whole: ClassVar[bool]
    needs: ClassVar[Needs]

    @abstractmethod
    def pool(self, ctx: QueryContext) -> Fetch:
        """Return the inputs of unlabelled samples."""

    @abstractmethod
    def labelled(self, ctx: QueryContext) -> Fetch:
        """Return the inputs of labelled samples."""

    @abstractmethod
    def outputs(self, net: Classifier, ctx: QueryContext, rows: Tensor, needs: Needs) -> PoolOutputs:
        """Return FitNet's outputs on rows of the labelled pool.

        Args:
            net: FitNet, in any mode; it is not changed.
            ctx: The query.
            rows: Positions in ``ctx.labelled_ids``, ascending.
            needs: Of the candidates.
        """

    @abstractmethod
    def backbone(self, ctx: QueryContext, task: Task) -> Backbone:
        """Build SearchNet's backbone."""

    @abstractmethod
    def fitnet(self, ctx: QueryContext, task: Task, cycle: int) -> Classifier:
        """Build FitNet of a cycle, on the device."""


class FullFeatures(NetworkInputs):
    """Networks of the task's backbone on the samples themselves."""

    whole = True
    needs = Needs()

    def pool(self, ctx: QueryContext) -> Fetch:
        """Return eval-transformed samples."""
        dtype = network_dtype(ctx.net)
        return lambda ids: ctx.inputs(ids).to(dtype)

    def labelled(self, ctx: QueryContext) -> Fetch:
        """Return eval-transformed samples, fetched once if they fit in half a gigabyte."""
        dtype = network_dtype(ctx.net)
        one = ctx.inputs(ctx.labelled_ids[:1]).to(dtype)
        if one.numel() * one.element_size() * len(ctx.labelled_ids) > _CACHE_BYTES:
            return lambda ids: ctx.inputs(ids).to(dtype)
        parts = [ctx.inputs(ids).to(dtype) for ids in ctx.labelled_ids.split(_CHUNK)]
        return RowsById(ctx.labelled_ids, torch.cat(parts))

    def outputs(self, net: Classifier, ctx: QueryContext, rows: Tensor, needs: Needs) -> PoolOutputs:
        """Run the samples through the network."""
        return pool_pass(net, ctx.required_task.data, ctx.labelled_ids[rows], needs, ctx.stream_seed("mc"))

    def backbone(self, ctx: QueryContext, task: Task) -> Backbone:
        """Build one of the task's kind, with weights of its own."""
        return task.new_net(*ctx.stream, "searchnet").backbone

    def fitnet(self, ctx: QueryContext, task: Task, cycle: int) -> Classifier:
        """Build one with the initial weights of the task model."""
        return task.initial_net()


class FrozenFeatures(NetworkInputs):
    """Heads on the task model's embeddings."""

    whole = False
    needs = Needs(embeddings=True, labelled=True)

    def pool(self, ctx: QueryContext) -> Fetch:
        """Return embeddings."""
        return RowsById(ctx.unlabelled.ids, ctx.embeddings)

    def labelled(self, ctx: QueryContext) -> Fetch:
        """Return embeddings."""
        return RowsById(ctx.known.ids, ctx.labelled_embeddings)

    def outputs(self, net: Classifier, ctx: QueryContext, rows: Tensor, needs: Needs) -> PoolOutputs:
        """Run the head on embeddings."""
        embeddings = ctx.labelled_embeddings[rows.to(ctx.device)]
        with evaluating(net):
            logits = net(embeddings).logits
            key = ctx.stream_seed("mc")
            mc = net.mc_logits(embeddings, needs.mc_samples, key) if needs.mc_samples else None
        return PoolOutputs(ctx.labelled_ids[rows].cpu(), logits, embeddings, mc)

    def backbone(self, ctx: QueryContext, task: Task) -> Backbone:
        """Pass embeddings on."""
        return Identity(ctx.embeddings.shape[1])

    def fitnet(self, ctx: QueryContext, task: Task, cycle: int) -> Classifier:
        """Build a linear head."""
        seed = ctx.stream_seed("fitnet", "head", cycle)
        head = head_on_features(ctx.embeddings.shape[1], ctx.n_classes, ctx.net.dropout, seed)
        return head.to(ctx.device, task.dtype)


FEATURES: dict[str, NetworkInputs] = {"full": FullFeatures(), "frozen": FrozenFeatures()}
"""By the word of ``strategy.features``."""
