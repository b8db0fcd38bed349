"""Which strategies exist: every module of this package registers its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from autoal.errors import AutoALError, unknown_name
from autoal.query.contract import QueryStrategy

_REGISTRY: dict[str, type[QueryStrategy]] = {}
S = TypeVar("S", bound=type[QueryStrategy])


def register(name: str) -> Callable[[S], S]:
    """Register a strategy class under the name that configs, ledgers and reports use."""

    def add(cls: S) -> S:
        if name in _REGISTRY and _REGISTRY[name].__qualname__ != cls.__qualname__:
            raise ValueError(f"two strategies are named {name}")
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return add


def strategies() -> dict[str, type[QueryStrategy]]:
    """Return every registered strategy by name, in alphabetical order."""
    package = importlib.import_module("autoal.strategies")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"autoal.strategies.{module.name}")
    return dict(sorted(_REGISTRY.items()))


def build(spec: str | Mapping[str, Any]) -> QueryStrategy:
    """Make a strategy from its name, or from a mapping of ``name`` and constructor arguments.

    Args:
        spec: ``"margin"`` or ``{"name": "alfamix", "alpha_cap": 0.2}``.

    Raises:
        AutoALError: If no strategy has that name, or it takes no such argument.
    """
    options: dict[str, Any] = {"name": spec} if isinstance(spec, str) else {str(k): v for k, v in spec.items()}
    name = str(options.pop("name", ""))
    options.pop("_target_", None)
    known = strategies()
    if name not in known:
        raise unknown_name("strategy", name, known)
    try:
        return known[name](**options)
    except TypeError as error:
        raise AutoALError(f"strategy '{name}': {error}") from error
