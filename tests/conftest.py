"""What every test may use."""

from __future__ import annotations

import os

# Two threads per worker on a small machine only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says what else the machine does, not whether the code is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
