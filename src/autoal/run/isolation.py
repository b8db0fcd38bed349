"""Several runs in one process: each finds the process as the first one did."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from autoal.processes.signals import stop_signals


@contextmanager
def as_found() -> Iterator[None]:
    """Put everything back that a run may change in its process: what is left of one must not reach the next.

    Put back are the global random states (which the package's own code does not use, and libraries may), numbers
    of threads, torch's switches, the environment, handlers of stop signals, the root logger and the filters of
    warnings.
    """
    with ExitStack() as back:
        _random_states(back)
        _torch_switches(back)
        for signum in stop_signals():
            back.callback(signal.signal, signum, signal.getsignal(signum))
        environment = dict(os.environ)
        back.callback(_environment, environment)
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        back.callback(_logging, handlers, level)
        back.enter_context(warnings.catch_warnings())
        yield
    gc.collect()  # a trainer and its module hold each other


def _random_states(back: ExitStack) -> None:
    back.callback(random.setstate, random.getstate())
    back.callback(np.random.set_state, np.random.get_state())
    back.callback(torch.set_rng_state, torch.get_rng_state())


def _torch_switches(back: ExitStack) -> None:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    back.callback(torch.set_num_threads, torch.get_num_threads())
    back.callback(threadpool_limits().restore_original_limits)
    back.callback(torch.set_default_dtype, torch.get_default_dtype())
    back.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    back.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled(), warn_only=warn)
    back.callback(setattr, torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
    back.callback(setattr, torch.backends.cudnn, "deterministic", torch.backends.cudnn.deterministic)


def _environment(before: dict[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


def _logging(handlers: list[logging.Handler], level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
