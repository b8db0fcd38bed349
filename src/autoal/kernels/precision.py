"""Arithmetic that a caller's training settings cannot weaken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator, ExitStack
from types import TracebackType
from typing import ParamSpec, TypeVar

import torch

from autoal.kernels.arrays import accepts_arrays

P = ParamSpec("P")
R = TypeVar("R")


class full_precision(ContextDecorator):
    """Decorator and context: no gradients, no autocast, and float32 products in real float32.

    A training script that allows TF32 or bfloat16 products, or runs under autocast, would otherwise change which
    samples are picked: squared distances computed as ``|x|^2 - 2xy + |y|^2`` lose all digits in such types.
    """

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:  # type: ignore[override]
        """Decorate a kernel, which then also takes NumPy arrays (:func:`accepts_arrays`)."""
        return accepts_arrays(super().__call__(func))

    def __enter__(self) -> full_precision:
        """Enter; the caller's settings are remembered."""
        self._before = torch.get_float32_matmul_precision()
        self._stack = ExitStack()
        self._stack.enter_context(torch.no_grad())
        self._stack.enter_context(torch.autocast("cpu", enabled=False))
        if torch.cuda.is_available():
            self._stack.enter_context(torch.autocast("cuda", enabled=False))
        if self._before != "highest":
            torch.set_float32_matmul_precision("highest")
        return self

    def _recreate_cm(self) -> full_precision:
        # A decorated function may be called again from inside itself or from another thread.
        return full_precision()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; the caller's settings are put back, also after an error."""
        self._stack.close()
        if self._before != "highest":
            torch.set_float32_matmul_precision(self._before)
