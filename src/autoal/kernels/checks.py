"""Checks that every kernel makes on what it is given, and small helpers shared by all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from autoal.errors import AutoALError

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` from long loops."""

LARGEST = 1e15
"""Embeddings beyond this magnitude would overflow a float32 squared distance."""

_BLOCK_BYTES = 2 << 20
_BLOCK_BYTES_CUDA = 256 << 20


def compute_dtype(x: Tensor) -> torch.dtype:
    """Return the type that arithmetic on ``x`` uses: float64 stays, everything narrower becomes float32."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def row_blocks(n: int, width: int, device: torch.device, start: int = 0) -> Iterator[tuple[int, int]]:
    """Cut ``n`` rows into blocks whose ``rows x width`` temporaries stay in a few megabytes.

    Small blocks are what keeps the peak memory of every kernel near the size of its inputs, and on a CPU they
    also keep the temporaries in cache.

    Args:
        n: Number of rows.
        width: The widest temporary per row, in numbers.
        device: Where the rows are; an accelerator gets larger blocks.
        start: The first row.

    Yields:
        Half-open ranges ``(low, high)`` that cover ``start..n`` in order.
    """
    budget = _BLOCK_BYTES_CUDA if device.type == "cuda" else _BLOCK_BYTES
    step = max(1, budget // (4 * max(1, width)))
    for low in range(start, n, step):
        yield low, min(n, low + step)


def check_count(n: int, rows: int) -> None:
    """Refuse a number of picks that the pool cannot give.

    Args:
        n: Number of picks that were asked for.
        rows: Number of rows to choose from.

    Raises:
        AutoALError: If ``n`` is below 1 or above ``rows``.
    """
    if n < 1:
        raise AutoALError(f"cannot choose n={n} samples: n must be at least 1.")
    if n > rows:
        raise AutoALError(f"cannot choose n={n} samples out of {rows}: ask for at most {rows}.")


def check_shape(name: str, x: Tensor, *dims: int | None) -> None:
    """Refuse a tensor of another shape than the one that is needed.

    Args:
        name: What the tensor is called in the message.
        x: The tensor.
        *dims: The sizes; ``None`` allows any size of at least 1.

    Raises:
        AutoALError: If the number of dimensions or a size is wrong.
    """
    fits = x.ndim == len(dims) and all(
        (have == want) if want is not None else have >= 1 for have, want in zip(x.shape, dims, strict=True)
    )
    if not fits:
        wanted = ", ".join("*" if want is None else str(want) for want in dims)
        raise AutoALError(f"{name} has shape {tuple(x.shape)}, but ({wanted}) is needed.")


def check_finite(name: str, x: Tensor, largest: float = math.inf) -> None:
    """Refuse NaN, infinity and, for embeddings, numbers whose squares would overflow.

    Args:
        name: What the tensor is called in the message.
        x: A floating tensor, its first dimension being rows.
        largest: The largest magnitude that is accepted.

    Raises:
        AutoALError: If ``x`` is not floating or holds a number that is refused; the message names the row.
    """
    if not x.is_floating_point():
        raise AutoALError(f"{name} has type {x.dtype}, but a floating type is needed.")
    width = x[0].numel() if x.shape[0] else 1
    for low, high in row_blocks(x.shape[0], width, x.device):
        block = x[low:high].reshape(high - low, -1)
        if block.numel() == 0:
            continue
        smallest, biggest = torch.aminmax(block)
        # aminmax propagates NaN, and a comparison with NaN is false: one test covers all three cases.
        if bool((-smallest <= largest) & (biggest <= largest) & torch.isfinite(biggest - smallest)):
            continue
        finite = torch.isfinite(block)
        good = finite & (block.abs() <= largest)
        if bool(good.all()):
            continue  # only the difference of two finite extremes overflowed
        row, column = (int(i) for i in (~good).nonzero()[0])
        value = float(block[row, column])
        hint = "" if bool(~finite[row, column]) else f" (largest accepted magnitude {largest:g}: rescale)"
        raise AutoALError(f"{name} holds the value {value:g} in row {low + row}{hint}.")


def check_matrix(name: str, x: Tensor, rows: int | None = None, columns: int | None = None) -> None:
    """Check shape and values of embeddings, ``(rows, columns)``.

    Args:
        name: What the tensor is called in the message.
        x: The tensor.
        rows: The number of rows, or ``None`` for any.
        columns: The number of columns, or ``None`` for any.

    Raises:
        AutoALError: If the shape is wrong, or a value is not finite or too large to be squared.
    """
    check_shape(name, x, rows, columns)
    check_finite(name, x, LARGEST)


def check_logits(name: str, x: Tensor, rows: int | None = None, columns: int | None = None) -> None:
    """Check shape and values of logits, ``(rows, classes)``; only NaN and infinity are refused.

    Args:
        name: What the tensor is called in the message.
        x: The tensor.
        rows: The number of rows, or ``None`` for any.
        columns: The number of classes, or ``None`` for any.

    Raises:
        AutoALError: If the shape is wrong or a value is not finite.
    """
    check_shape(name, x, rows, columns)
    check_finite(name, x)


def check_weights(weights: Tensor, rows: int) -> Tensor:
    """Check sample weights and return them as float64.

    Args:
        weights: ``(rows,)`` non-negative numbers.
        rows: The number of samples.

    Returns:
        ``(rows,)`` float64 weights scaled to a largest value of 1; all ones if every weight is zero, because
        weights that are all equal say nothing.

    Raises:
        AutoALError: If the shape is wrong or a weight is negative or not finite.
    """
    check_shape("weights", weights, rows)
    check_finite("weights", weights)
    lowest = float(weights.min())
    if lowest < 0:
        raise AutoALError(f"weights holds the negative value {lowest:g}.")
    top = weights.double().max()
    return weights.double() / top if float(top) > 0 else torch.ones_like(weights, dtype=torch.float64)


def uniform(count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` float64 numbers from [0, 1) on the generator's device, returned on the CPU."""
    return torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64).cpu()


def choose_rest(taken: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose rows uniformly, without repetition, among those not taken.

    Args:
        taken: ``(N,)`` bool, rows that may not be chosen again.
        count: How many rows to choose.
        generator: The source of randomness.

    Returns:
        ``(count,)`` int64 rows on the CPU, in random order.
    """
    free = (~taken).nonzero().squeeze(1).cpu()
    order = torch.randperm(free.numel(), generator=generator, device=generator.device).cpu()
    return free[order[:count]]
