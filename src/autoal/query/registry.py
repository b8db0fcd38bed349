"""Which strategies exist: every module of this package registers its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from autoal.config.instantiate import locate, plan_class
from autoal.config.values import shown
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


def build(spec: str | Mapping[str, Any], key: str = "strategy") -> QueryStrategy:
    """Make a strategy from its name, or from a mapping of ``name`` and constructor arguments.

    Args:
        spec: ``"margin"`` or ``{"name": "alfamix", "alpha_cap": 0.2}``.
        key: Its place in the config, for messages.

    Raises:
        AutoALError: If no strategy has that name, or an argument is not valid.
    """
    if not isinstance(spec, str | Mapping):
        raise AutoALError(f"{key}={shown(spec)} is neither a strategy's name nor a mapping with one")
    options: dict[str, Any] = {"name": spec} if isinstance(spec, str) else {str(k): v for k, v in spec.items()}
    name = options.pop("name", None)
    if "_target_" in options:
        cls = locate(key, options.pop("_target_"), QueryStrategy)
    else:
        known = strategies()
        if not isinstance(name, str) or name not in known:
            raise unknown_name(key, shown(name), known)
        cls = known[name]
    built: QueryStrategy = plan_class(key, cls, options, QueryStrategy).build()
    return built
