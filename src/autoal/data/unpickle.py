"""Reading pickles of datasets without running what else they may hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError

_CORES = ("numpy.core", "numpy._core")
"""NumPy moved its internals in version 2; files hold either name."""
_ALLOWED = frozenset(
    [
        *((f"{core}.multiarray", "_reconstruct") for core in _CORES),
        *((f"{core}.multiarray", "scalar") for core in _CORES),
        *((f"{core}.numeric", "_frombuffer") for core in _CORES),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
        ("collections", "OrderedDict"),
    ]
)
"""The globals that arrays, numbers, byte strings and dicts need; none of them can do anything else."""


class _Refused(pickle.UnpicklingError):
    pass


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def read_pickle(path: Path, encoding: str = "latin1") -> Any:
    """Read a pickle that holds arrays, lists, dicts, strings and numbers, and nothing else.

    Args:
        path: The file.
        encoding: How to read strings that Python 2 wrote.

    Raises:
        AutoALError: If the file is truncated, or asks for any other object.
    """
    try:
        with path.open("rb") as file:
            return _Restricted(file, encoding=encoding).load()
    except _Refused as error:
        raise AutoALError(
            f"{path} is refused: {error}, and only arrays, lists, dicts, strings and numbers are read"
        ) from None
    except Exception as error:
        # A damaged pickle can fail in any way: the opcodes after the damage are noise.
        raise AutoALError(f"{path} is truncated or damaged: {type(error).__name__}: {error}") from error
