"""Inputs of the networks of the search: eval-transformed samples, or frozen embeddings, by sample id."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.query.contract import QueryContext
from autoal.search.networks import Fetch
from autoal.training.inference import network_dtype

_CACHE_BYTES = 512 << 20
_CHUNK = 1024


class Table:
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


def pool_inputs(ctx: QueryContext, features: str) -> Fetch:
    """Return the inputs of unlabelled samples."""
    if features == "frozen":
        return Table(ctx.unlabelled.ids, ctx.embeddings)
    dtype = network_dtype(ctx.net)
    return lambda ids: ctx.inputs(ids).to(dtype)


def labelled_inputs(ctx: QueryContext, features: str) -> Fetch:
    """Return the inputs of labelled samples, fetched once if they fit in half a gigabyte."""
    if features == "frozen":
        return Table(ctx.known.ids, ctx.labelled_embeddings)
    dtype = network_dtype(ctx.net)
    one = ctx.inputs(ctx.labelled_ids[:1]).to(dtype)
    if one.numel() * one.element_size() * len(ctx.labelled_ids) > _CACHE_BYTES:
        return lambda ids: ctx.inputs(ids).to(dtype)
    parts = [ctx.inputs(ids).to(dtype) for ids in ctx.labelled_ids.split(_CHUNK)]
    return Table(ctx.labelled_ids, torch.cat(parts))
