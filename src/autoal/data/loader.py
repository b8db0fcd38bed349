"""Loaders over a :class:`~autoal.data.base.SampleSource`, sharded by rank, ordered by a named stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from autoal.data.base import SampleSource
from autoal.data.batch import Batch
from autoal.data.spread import spread_over
from autoal.distributed import World

V = TypeVar("V")


def global_batches(n: int, batch_size: int, order: torch.Generator | None) -> list[Tensor]:
    """Cut ``range(n)`` into batches, the same on every rank.

    A last batch of one sample joins the one before it, since batch normalisation has no variance to
    estimate from one sample.

    Args:
        n: Number of samples.
        batch_size: Global batch size (over all ranks).
        order: Shuffles the samples; None keeps their order.
    """
    rows = torch.arange(n) if order is None else torch.randperm(n, generator=order)
    parts = list(rows.split(batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def cycled_batches(n: int, batch_size: int, order: torch.Generator, steps: int) -> list[Tensor]:
    """Cut an endless row of passes through ``range(n)`` into batches of equal size, the same on every rank.

    Each pass takes every sample once, in an order of its own; a batch may end one pass and begin the next.

    Args:
        n: Number of samples.
        batch_size: Global batch size.
        order: Shuffles each pass.
        steps: Number of batches.

    Returns:
        Per batch ``(2, batch_size)``: the samples, and the number of the pass that each is taken in.
    """
    passes = -(-steps * batch_size // n)
    rows = torch.cat([torch.randperm(n, generator=order) for _ in range(passes)])
    number = torch.arange(passes).repeat_interleave(n)
    return list(torch.stack([rows, number])[:, : steps * batch_size].split(batch_size, dim=1))


class TrainLoader:
    """One epoch of training batches.

    Args:
        source: The raw inputs.
        ids: Labelled ids, ``(n,)``.
        targets: Their labels, ``(n,)``.
        batch_size: Global batch size.
        order: Shuffles the epoch; it must be equal on all ranks.
        epoch_key: Seed of the epoch's augmentation and dropout streams.
        world: This rank's place.
        prefetch: Batches fetched ahead by a thread, for sources that read files.
        start: Batches at the front that were trained on before a resume, and are left out.
        steps: Batches of the epoch, for which the samples are cycled; None: one pass.
    """

    def __init__(
        self,
        source: SampleSource,
        ids: Tensor,
        targets: Tensor,
        batch_size: int,
        order: torch.Generator,
        epoch_key: int,
        world: World = World(),
        prefetch: int = 0,
        start: int = 0,
        steps: int | None = None,
    ) -> None:
        self._source = source
        self._ids = ids
        self._targets = targets
        if steps is None:
            self._batches = [rows[None] for rows in global_batches(len(ids), batch_size, order)[start:]]
        else:
            self._batches = cycled_batches(len(ids), batch_size, order, steps)[start:]
        self._epoch_key = epoch_key
        self._world = world
        self._prefetch = prefetch

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def samples(self) -> int:
        """Number of samples in the batches, over all ranks."""
        return sum(places.shape[1] for places in self._batches)

    def __iter__(self) -> Iterator[Batch]:
        yield from prefetched(self._batches, self._fetch, self._prefetch)

    def _fetch(self, places: Tensor) -> Batch:
        rows = places[0]
        mine = self._world.shard(rows)
        weight = self._world.size / len(rows)
        spread = spread_over(self._source, self._world)
        inputs = None if spread is None else spread.exchange(self._ids[rows])
        if len(mine) == 0:
            # Every rank must take part in the step's all-reduce; a sample of weight 0 adds nothing to it.
            mine, weight, inputs = rows[:1], 0.0, None
        ids = self._ids[mine]
        draws = None
        if len(places) > 1:
            passes = self._world.shard(places[1])
            # Past every id, so that a sample is changed otherwise each time that it comes.
            draws = ids + len(self._source) * (passes if len(passes) else places[1, :1])
        if inputs is None:
            inputs = self._source.fetch(ids) if self._prefetch <= 0 else pinned(self._source.fetch(ids))
        weights = torch.full((len(mine),), weight, dtype=torch.float64)
        return Batch(inputs, self._targets[mine], ids, weights, self._epoch_key, draws)


class EvalLoader:
    """Raw inputs of given ids in their order, this rank's share of them, without padding.

    Args:
        source: The raw inputs.
        ids: All ids, ``(n,)``; this rank serves ``world.shard(ids)``.
        batch_size: Samples per batch and rank.
        world: This rank's place.
        prefetch: See :class:`TrainLoader`.
    """

    def __init__(
        self, source: SampleSource, ids: Tensor, batch_size: int, world: World = World(), prefetch: int = 0
    ) -> None:
        self._source = source
        self.ids = world.shard(ids)
        self._spread = spread_over(source, world)
        shared = self.ids if self._spread is None else ids
        size = batch_size if self._spread is None else batch_size * world.size
        self._batches = list(shared.split(size)) if len(shared) else []
        self._prefetch = prefetch

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Tensor]:
        if self._spread is None:
            yield from prefetched(self._batches, self._fetch, self._prefetch)
            return
        for rows in self._batches:
            own = self._spread.exchange(rows)
            if len(own):  # of the last batch a rank may have none, and gives its samples to the others
                yield own

    def _fetch(self, rows: Tensor) -> Tensor:
        return self._source.fetch(rows) if self._prefetch <= 0 else pinned(self._source.fetch(rows))


def pinned(batch: Tensor) -> Tensor:
    """Return the batch in page-locked memory where there is a GPU, which it then reaches in the background."""
    return batch.pin_memory() if batch.device.type == "cpu" and torch.cuda.is_available() else batch


def prefetched(keys: Sequence[Tensor], fetch: Callable[[Tensor], V], depth: int) -> Iterator[V]:
    """Yield ``fetch(key)`` for each key in order, with up to ``depth`` fetches running ahead in threads."""
    if depth <= 0:
        yield from map(fetch, keys)
        return
    with ThreadPoolExecutor(max_workers=depth, thread_name_prefix="autoal-fetch") as threads:
        ahead: deque[Future[V]] = deque()
        for key in keys:
            ahead.append(threads.submit(fetch, key))
            if len(ahead) > depth:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
