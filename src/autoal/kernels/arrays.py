"""The kernels' door: NumPy arrays are taken as tensors, and what they gave comes back as arrays."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from autoal.errors import AutoALError

P = ParamSpec("P")
R = TypeVar("R")


def accepts_arrays(function: Callable[P, R]) -> Callable[P, R]:
    """Let a kernel take NumPy arrays wherever its signature says ``Tensor``.

    If every array argument is a NumPy array, all tensors of the result come back as NumPy arrays; as soon as one
    of them is a tensor, they stay tensors. A call with only tensors goes straight through.

    Args:
        function: A function with annotated parameters.

    Raises:
        AutoALError: When it is called with something else, naming the argument.

    Example:
        >>> import numpy as np
        >>> from autoal.kernels import margin, top_n
        >>> top_n(margin(np.array([[9.0, 0.0], [0.1, 0.0], [5.0, 0.0]])), 2)
        array([1, 2])
    """
    parameters = inspect.signature(function).parameters
    positions = tuple(parameters)
    kinds = {name: str(p.annotation) for name, p in parameters.items()}
    tensors = {name for name, kind in kinds.items() if kind in ("Tensor", "Tensor | None")}
    generators = {name for name, kind in kinds.items() if kind in ("torch.Generator", "torch.Generator | None")}

    def foreign(arguments: Iterator[tuple[str, Any]]) -> dict[str, Any]:
        return {
            name: value
            for name, value in arguments
            if value is not None
            and (
                (name in tensors and not isinstance(value, Tensor))
                or (name in generators and not isinstance(value, torch.Generator))
            )
        }

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        given = foreign(zip(positions, args, strict=False)) | foreign(iter(kwargs.items()))
        if not given:
            return function(*args, **kwargs)
        bound = inspect.signature(function).bind(*args, **kwargs)
        arrays = {name: as_tensor(name, value) for name, value in given.items() if name in tensors}
        for name in given.keys() & generators:
            raise AutoALError(
                f"{name} is of type {type(given[name]).__name__}; torch.Generator().manual_seed(SEED) is needed"
            )
        stay = any(isinstance(bound.arguments.get(name), Tensor) for name in tensors)
        bound.arguments.update(arrays)
        result = function(*bound.args, **bound.kwargs)
        return result if stay else as_arrays(result)

    return wrapper


def as_tensor(name: str, value: Any) -> Tensor:
    """Return a NumPy array as a tensor, sharing its memory where torch can.

    Byte orders other than the machine's are converted, unsigned integers become int64, and long doubles are
    rounded to float64.

    Args:
        name: What it is called in messages.
        value: The array.

    Raises:
        AutoALError: If it is no array of numbers.
    """
    if not isinstance(value, np.ndarray):
        raise AutoALError(f"{name} is of type {type(value).__name__}; a tensor or a NumPy array is needed")
    kind, size = value.dtype.kind, value.dtype.itemsize
    if kind not in "biuf":
        raise AutoALError(f"{name} is an array of {value.dtype}; numbers are needed")
    if kind == "u" and size > 1:
        value = value.astype(np.int64)
    elif kind == "f" and size > 8:
        value = value.astype(np.float64)
    elif not value.dtype.isnative:
        value = value.astype(value.dtype.newbyteorder("="))
    value = np.ascontiguousarray(value)
    # Torch warns of memory that it may not write to; the kernels never do, but the warning would be the user's.
    return torch.from_numpy(value if value.flags.writeable else value.copy())


def as_arrays(result: Any) -> Any:
    """Return a kernel's result with NumPy arrays in the place of tensors."""
    if isinstance(result, Tensor):
        return result.detach().cpu().numpy()
    if isinstance(result, tuple):
        parts = [as_arrays(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    return result
