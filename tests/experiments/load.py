"""Imports scripts of ``experiments/``, which is no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


def script(path: str) -> ModuleType:
    """Import ``experiments/<path>.py`` under a name of its own."""
    name = "experiments_" + path.replace("/", "_")
    if name not in sys.modules:
        before = list(sys.path)
        sys.path[:0] = [str((EXPERIMENTS / path).parent), str(EXPERIMENTS)]
        spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{path}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        sys.path[:] = before
    return sys.modules[name]
