"""Named random streams, all derived from one seed.

Nothing in the package draws from a global random state. A stream is named by what it is for
(``"init"``, ``"order"``, ``"dropout"``, ...) and where it is in the experiment (round, epoch), so the
numbers do not depend on what ran before, on the number of processes, or on a resume.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

_MIX = (-0x4B47D0C5A1A6D3C5, -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)
"""Odd 64-bit multipliers as signed integers (splitmix64 and two of Weyl type)."""


def stream_seed(seed: int, *name: str | int) -> int:
    """Derive the seed of a named stream.

    Args:
        seed: The experiment's seed.
        *name: What the stream is for, e.g. ``("order", round, epoch)``.

    Returns:
        An integer in ``[0, 2**63)``, a SHA-256 digest of the seed and the name.
    """
    text = "/".join(str(part) for part in (seed, *name))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *name: str | int) -> torch.Generator:
    """Make a CPU generator for a named stream (see :func:`stream_seed`)."""
    return torch.Generator().manual_seed(stream_seed(seed, *name))


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift right without the sign bit, which int64 has and the hash must not."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """Finalise a 64-bit hash (splitmix64's two multiply-xorshift steps)."""
    x = (x ^ _shift(x, 30)) * _MIX[2]
    x = (x ^ _shift(x, 27)) * _MIX[3]
    return x ^ _shift(x, 31)


def sample_uniform(key: int, ids: Tensor, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw uniform numbers that depend only on the key, the sample's id and the column.

    The draw of a sample is therefore the same whatever batch, shard or device it sits in, which is what
    makes augmentation and dropout independent of the number of processes.

    Args:
        key: A stream's seed, see :func:`stream_seed`.
        ids: Sample ids, shape ``(B,)``, int64.
        n: Numbers per sample.
        dtype: A floating type of the result.

    Returns:
        Numbers in ``[0, 1)`` with 24 random bits, shape ``(B, n)``, on the device of ``ids``.
    """
    columns = torch.arange(1, n + 1, device=ids.device, dtype=torch.int64)
    rows = _mix(ids.to(torch.int64) * _MIX[0] + key)
    mixed = _mix(rows[:, None] + columns[None, :] * _MIX[1])
    return _shift(mixed, 40).to(dtype) * (2.0**-24)
