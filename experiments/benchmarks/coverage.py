"""The coverage strategies in the kernel benchmark: a plain version of herding, and a check in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from autoal import kernels

HERDING_DIM = 128
BALL_DIM = 384
CASES = ("herding", "herding, 50,000 targets", "probcover", "typiclust")
_COLUMNS = 500


def columns(case: str) -> int:
    """How many of the columns a case uses."""
    return HERDING_DIM if case.startswith("herding") else BALL_DIM


def run(case: str, x: Tensor, n: int, progress: Callable[[int, int], None]) -> Any:
    """Run one of the kernels."""
    rng = torch.Generator().manual_seed(0)
    return {
        "herding": lambda: kernels.herding(x, n, progress=progress),
        "herding, 50,000 targets": lambda: kernels.herding(x, n, targets=50_000, generator=rng, progress=progress),
        "probcover": lambda: kernels.probcover(x, n, 0.75, progress=progress),
        "typiclust": lambda: kernels.typiclust(x, n, rng, progress=progress),
    }[case]()


def plain_herding(x: Tensor, n: int) -> list[int]:
    """Every gain anew for every pick, in float32, without an N x N matrix."""
    z = normalize(x.float(), dim=1)
    covered = torch.zeros(len(z))
    picks: list[int] = []
    while len(picks) < n:
        gain = torch.empty(len(z))
        for low in range(0, len(z), _COLUMNS):
            k = torch.exp(2 * (z @ z[low : low + _COLUMNS].T) - 2)
            gain[low : low + _COLUMNS] = (k - covered[:, None]).clamp_(min=0).sum(0)
        gain[picks] = -1
        picks.append(int(gain.argmax()))
        covered = torch.maximum(covered, torch.exp(2 * (z @ z[picks[-1]]) - 2))
    return picks


def oracle_check(x: Tensor, picks: list[int]) -> str:
    """Follow the picks with the gains of all candidates in float64, kept up to date after each pick."""
    z = normalize(x.double(), dim=1)
    covered = torch.zeros(len(z), dtype=torch.float64)
    gain = torch.zeros_like(covered)
    for low in range(0, len(z), _COLUMNS):
        gain += torch.exp(2 * (z[low : low + _COLUMNS] @ z.T) - 2).sum(0)
    for step, pick in enumerate(picks):
        best = int(gain.argmax())
        if float(gain[best] - gain[pick]) > 1e-9 * float(gain[best]):
            return f"float64 oracle: differs at pick {step}, gains {float(gain[best])} and {float(gain[pick])}"
        k = torch.exp(2 * (z @ z[pick]) - 2)
        changed = (k > covered).nonzero().squeeze(1)
        _subtract(z, changed, covered[changed], k[changed], gain)
        covered[changed] = k[changed]
        gain[pick] = -1
    return f"float64 oracle: identical, {len(picks)} of {len(picks)} in order"


def _subtract(z: Tensor, rows: Tensor, before: Tensor, after: Tensor, gain: Tensor) -> None:
    """Take from all gains what they lose when the cover of some rows rises."""
    for low in range(0, len(rows), _COLUMNS):
        part = rows[low : low + _COLUMNS]
        k = torch.exp(2 * (z[part] @ z.T) - 2)
        old, new = before[low : low + _COLUMNS, None], after[low : low + _COLUMNS, None]
        gain -= ((k - old).clamp_(min=0) - (k - new).clamp_(min=0)).sum(0)
