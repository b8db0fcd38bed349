"""Passes over samples that strategies make for themselves, shared by all ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from autoal import rng
from autoal.data.loader import global_batches
from autoal.distributed import World
from autoal.kernels.checks import Progress, compute_dtype
from autoal.query.contract import QueryContext
from autoal.training.inference import GatheredRows


def world_of(ctx: QueryContext) -> World:
    """Return the processes that share the query; one outside an experiment."""
    return World() if ctx.task is None else ctx.task.data.world


def dtype_of(ctx: QueryContext) -> torch.dtype:
    """Return the type in which a strategy computes: the classifier's, but float32 at least."""
    return compute_dtype(ctx.unlabelled.logits)


def map_rows(
    ctx: QueryContext,
    ids: Tensor,
    width: int,
    function: Callable[[Tensor], Tensor],
    batch_size: int = 1024,
    progress: Progress | None = None,
) -> Tensor:
    """Apply a function to the inputs of samples, each rank to its share, without gradients.

    Args:
        ctx: Gives the inputs.
        ids: Which samples ``(N,)``.
        width: Numbers per sample that the function returns.
        function: Inputs ``(B, *input_shape)`` -> ``(B, width)``; must treat each sample by itself.
        batch_size: Samples per call.
        progress: Told (samples done, samples in all) of this rank.

    Returns:
        ``(N, width)`` on every rank, on the device of the query.
    """
    world = world_of(ctx)
    mine = world.shard(ids)
    rows = GatheredRows(len(ids), width, dtype_of(ctx), ctx.device, world)
    done = 0
    with torch.no_grad():
        for block in mine.split(batch_size):
            rows.add(function(ctx.inputs(block)))
            done += len(block)
            if progress is not None:
                progress(done, len(mine))
    return rows.take()


def endless_batches(n: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Yield batches of rows of ``range(n)`` for ever, in a new order each time round.

    Args:
        n: Number of samples, at least one.
        batch_size: Samples per batch; the last of a round may be smaller, and none has one sample unless n is 1.
        seed: A stream's seed.
    """
    epoch = 0
    while True:
        yield from global_batches(n, batch_size, rng.generator(seed, "order", epoch))
        epoch += 1


def draw_subset(ctx: QueryContext, size: int | None, at_least: int) -> Tensor:
    """Draw rows of the unlabelled pool to choose from, ascending: all of them, or ``size`` at random.

    Args:
        ctx: The query.
        size: Upper bound; None: the whole pool.
        at_least: Number of picks wanted, which the subset must allow.
    """
    total = len(ctx.unlabelled)
    if size is None or max(size, at_least) >= total:
        return torch.arange(total)
    order = torch.randperm(total, generator=ctx.generator("subset"))
    return order[: max(size, at_least)].sort().values
