"""The initial set without labels: chosen by static features before anything is trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autoal import kernels
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.kernels.types import Picks


def _typiclust(features: Tensor, n: int, generator: torch.Generator) -> Picks:
    return kernels.typiclust(features, n, generator)


def _maxherding(features: Tensor, n: int, generator: torch.Generator) -> Picks:
    return kernels.herding(features, n)


COLD_STARTS: dict[str, Callable[[Tensor, int, torch.Generator], Picks]] = {
    "typiclust": _typiclust,
    "maxherding": _maxherding,
}
"""Values of ``loop.init`` that choose by features. MaxHerding draws nothing: its set is one for all seeds."""


def cold_start(
    data: ActiveLearningDataModule, kind: str, free: Tensor, n: int, generator: torch.Generator
) -> Tensor:
    """Choose the initial set by the static features of the samples that it may be chosen from.

    Args:
        data: Features, and this rank's place; rank 0 chooses for all.
        kind: A key of :data:`COLD_STARTS`.
        free: Ids of the samples to choose from, ascending ``(N,)``.
        n: How many.
        generator: Seeds what the kernel draws.

    Returns:
        The ids in order of choice ``(n,)``.
    """
    ids = None
    if data.world.is_main:
        assert data.static is not None, "check_cold_start was called before"
        ids = free[COLD_STARTS[kind](data.static(free), n, generator).index.cpu()]
    chosen = data.world.broadcast(ids)
    assert chosen is not None, "rank 0 has chosen"
    return chosen


def check_cold_start(data: ActiveLearningDataModule, kind: str) -> None:
    """Check that there is something to choose the initial set by.

    Args:
        data: The data, loaded.
        kind: ``loop.init``.

    Raises:
        AutoALError: If ``kind`` chooses by static features and there are none.
    """
    if kind in COLD_STARTS and data.static is None:
        name = data.dataset.info.name
        raise AutoALError(
            f"loop.init={kind} chooses by static features, and {name} has none: make them with "
            f"'autoal embed {name} --out DIR' and set features=DIR"
        )
