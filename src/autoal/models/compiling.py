"""Options of ``torch.compile`` that keep its cache on disk apart for each kind of processor."""

from __future__ import annotations

import platform
from typing import Any

import torch

_BITS = {"DEFAULT": 1, "AVX2": 256, "AVX512": 512}
"""Width of the vector instructions of each capability of an x86 processor; 1 says none."""


def compile_options() -> dict[str, Any]:
    """Return the options with which networks are compiled.

    PyTorch takes a graph that it compiled earlier from its cache, whatever the instructions in it. Where a
    processor with fewer of them shares the cache (or ``ATEN_CPU_CAPABILITY`` hides some), that is an error of the
    compiler. Options are part of the cache's key, so the width of the vectors is said.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return {}
    bits = _BITS.get(torch.backends.cpu.get_cpu_capability())
    return {} if bits is None else {"cpp.simdlen": bits}
