"""Which strategies exist: those of this package, those registered on import, those of installed packages.

A name is looked for in this order; a config may also name the class itself (``_target_``).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from autoal.config.instantiate import locate, plan_class
from autoal.config.plugins import registered
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
    target = options.pop("_target_", None)
    if target is None and isinstance(spec, Mapping) and "name" not in spec:
        raise AutoALError(f"{key}={shown(dict(spec))} has no name; set {key}.name to that of a strategy")
    cls = find(name, key) if target is None else locate(key, target, QueryStrategy)
    built: QueryStrategy = plan_class(key, cls, options, QueryStrategy).build()
    if isinstance(name, str) and name and built.name != name:
        # A class of another package may go by any name in configs, ledgers and reports.
        setattr(built, "name", name)  # noqa: B010  it is the class's own elsewhere
    return built


def find(name: Any, key: str = "strategy") -> type[QueryStrategy]:
    """Return the class of a name.

    Args:
        name: What :func:`register` or an entry point of the group ``autoal.strategies`` calls it.
        key: Its place in the config, for messages.

    Raises:
        AutoALError: If there is none; says where it was looked for.
    """
    known, installed = strategies(), registered("strategies")
    if isinstance(name, str) and name in known:
        return known[name]
    if isinstance(name, str) and name in installed:
        return locate(key, installed[name], QueryStrategy)
    error = unknown_name(key, shown(name), {*known, *installed})
    raise AutoALError(
        f"{error}. Looked for in autoal.strategies, in what has been registered on import and in entry points "
        "'autoal.strategies'; a class of your own: strategy._target_=my_package.MyStrategy"
    )
