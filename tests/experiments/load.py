"""Where the studies are, and their modules by name."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


def script(path: str) -> ModuleType:
    """Import ``experiments/<path>.py``."""
    return importlib.import_module("experiments." + path.replace("/", "."))
