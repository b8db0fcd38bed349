"""The IDX format of MNIST and its descendants."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoal.errors import AutoALError

_LARGEST = 1 << 31
"""Bytes; EMNIST's largest file has a quarter of that."""


def read_idx(path: Path, n_dims: int) -> Tensor:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    Args:
        path: The file; ``.gz`` is unpacked on the fly.
        n_dims: Expected number of dimensions: 3 for images ``(N, H, W)``, 1 for labels ``(N,)``.

    Returns:
        The ``uint8`` tensor.

    Raises:
        AutoALError: If the file is truncated, damaged or something else.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            # A small file may hold gigabytes of zeros: never more is unpacked than the largest set has.
            raw = file.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise AutoALError(f"{path} is truncated or damaged: {error}; delete it and fetch it again") from error
    header = 4 + 4 * n_dims
    if len(raw) < header:
        raise AutoALError(f"{path} is truncated: {len(raw)} bytes do not hold an IDX header")
    # Bytes 0 and 1 are zero, byte 2 is the type (8: unsigned byte), byte 3 the number of dimensions.
    if raw[:4] != bytes((0, 0, 8, n_dims)):
        raise AutoALError(
            f"{path} is no IDX file of unsigned bytes in {n_dims} dimensions (it starts {raw[:4]!r})"
        )
    shape = struct.unpack(f">{n_dims}I", raw[4:header])
    expected = header + math.prod(shape)
    if len(raw) != expected:
        raise AutoALError(f"{path} is truncated or damaged: {len(raw)} bytes where its header says {expected}")
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy())
