"""What a rank says when another one is lost."""

from __future__ import annotations

import re
import sys

import torch.distributed as torch_dist

from autoal.errors import AutoALError
from autoal.processes.signals import Stopped
from autoal.processes.watch import Watch

_BROKEN = re.compile(r"gloo|nccl|connection|socket|broken pipe|timed out|store", re.IGNORECASE)


class LostRank(AutoALError):
    """Another rank is lost; whoever started the ranks may know more of it."""


def say_lost(line: str, speaking: bool) -> None:
    """Write the line that names a lost rank, on the rank that speaks for all."""
    if speaking:
        print(f"error: {line}", file=sys.stderr, flush=True)


def blame(error: BaseException, watch: Watch) -> BaseException:
    """Return what is behind an error: where a collective has failed, what became of the rank that broke it.

    Args:
        error: What ended this rank.
        watch: Knows the others.

    Returns:
        An error that names the other rank, the stop that it was told, or the error itself.
    """
    broken = isinstance(error, torch_dist.DistError) or (
        isinstance(error, RuntimeError) and _BROKEN.search(str(error)) is not None
    )
    lost = watch.culprit() if broken else None
    if lost is None:
        return error
    return Stopped(lost.signum) if lost.signum else LostRank(lost.message)
