"""Real frozen features for tests, unpacked once per session from the archive beside the checkout."""

from __future__ import annotations

import io
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.data.conftest import REAL_DATA

SETS = ("cifar10_jpeg-mobilenet_v2", "trec6-minilm", "banking77-minilm", "mpqa-minilm")
ARCHIVE = REAL_DATA / "features-int8.tar.xz"


def real_features(name: str) -> Path:
    """Return an ``.npz`` file as ``dataset=features`` reads it, or skip."""
    if not ARCHIVE.exists():
        pytest.skip(f"the real features are not beside the checkout: no {ARCHIVE}")
    return _unpacked() / f"{name}.npz"


@cache
def _unpacked() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="autoal-features-"))
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            handle = archive.extractfile(member)
            assert handle is not None
            data = np.load(io.BytesIO(handle.read()), allow_pickle=False)
            parts = ("train", "test")
            arrays = {f"{p}_features": (data[p] * data["scale"]).astype(np.float32) for p in parts}
            labels = {f"{p}_labels": data[f"{p}_labels"].astype(np.int64) for p in parts}
            np.savez(folder / f"{Path(member.name).stem}.npz", **arrays, **labels)
    return folder
