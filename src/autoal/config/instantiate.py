"""Building objects from configs: the one place where a ``_target_`` becomes a class.

A config may come from a run directory that somebody else has written, so what it names is data. A class is taken
from this package, from ``torch.optim``, from a package that registers it (:mod:`autoal.config.plugins`), or from a
module that the program has imported already, which is what :func:`admit` does for the packages that this command
line names. It must be a class of the kind that its place calls for. Nothing else is imported, and no function is
ever called.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from autoal.config.plugins import registered_targets
from autoal.config.values import Declared, arguments_of, check, settings_of, shown
from autoal.errors import AutoALError

T = TypeVar("T")

OWN = ("autoal", "torch.optim")
"""Packages whose classes any config may name."""


@dataclass(frozen=True)
class Plan:
    """A class and its checked arguments, with nothing built yet.

    Attributes:
        key: Its place in the config, for messages.
        cls: The class.
        options: Arguments from the config.
    """

    key: str
    cls: type
    options: Mapping[str, Any]

    def build(self, **arguments: Any) -> Any:
        """Build the object.

        Args:
            **arguments: Arguments that the program gives.

        Raises:
            AutoALError: The constructor's own, or one that says what was wrong.
        """
        try:
            return self.cls(**arguments, **self.options)
        except AutoALError:
            raise
        except Exception as error:  # whatever a constructor makes of a value that its annotation allows
            name = f"{self.cls.__module__}.{self.cls.__qualname__}"
            raise AutoALError(f"{self.key}: can't build {name}: {first_line(error)}") from error


def plan(
    key: str,
    config: Mapping[str, Any],
    base: type,
    given: Sequence[str] = (),
    declared: Mapping[str, Declared] | None = None,
    common: type | None = None,
    nested: type | None = None,
) -> Plan:
    """Find the class of a config and check its arguments by signature and type.

    Args:
        key: The config's place, e.g. ``"backbone"``.
        config: ``_target_`` and its arguments.
        base: What the class must be derived from.
        given: Arguments that the program will give.
        declared: Types and ranges that replace those of the signature, where the class has such an argument.
        common: The dataclass of keys that :func:`split` has set apart, for messages.
        nested: What classes inside an argument must be derived from; None: from ``base`` too.

    Raises:
        AutoALError: Naming the key, its value and what is valid.
    """
    if not isinstance(config, Mapping):
        raise AutoALError(f"{key}={shown(config)} is not a mapping with a _target_")
    cls = locate(key, config.get("_target_"), base)
    return plan_class(
        key, cls, {k: v for k, v in config.items() if k != "_target_"}, base, given, declared, common, nested
    )


def plan_class(
    key: str,
    cls: type,
    options: Mapping[str, Any],
    base: type,
    given: Sequence[str] = (),
    declared: Mapping[str, Declared] | None = None,
    common: type | None = None,
    nested: type | None = None,
) -> Plan:
    """Check the arguments of a class that is known already; see :func:`plan`."""
    settings, any_key = arguments_of(cls, given)
    settings |= {k: s for k, s in (declared or {}).items() if k in settings}
    also = [*settings_of(common), "_target_"] if common is not None else []
    values = {str(k): _nested(f"{key}.{k}", v, nested or base) for k, v in options.items()}
    return Plan(key, cls, check(key, values, settings, any_key, also))


def split(config: Mapping[str, Any], common: type[T], key: str) -> tuple[T, dict[str, Any]]:
    """Check the keys that all choices of a group share, and set the rest apart.

    Args:
        config: The group's config.
        common: The dataclass of the shared keys.
        key: The group.

    Returns:
        The shared settings, and everything else.
    """
    if not isinstance(config, Mapping):
        raise AutoALError(f"{key}={shown(config)} is not a mapping; choose a config: {key}=NAME")
    settings = settings_of(common)
    values = {str(k): v for k, v in config.items() if k in settings}
    shared = common(**check(key, values, settings))
    return shared, {str(k): v for k, v in config.items() if k not in settings}


def create(key: str, config: Mapping[str, Any], base: type, **arguments: Any) -> Any:
    """Build the object that a config describes; see :func:`plan` and :meth:`Plan.build`."""
    return plan(key, config, base, tuple(arguments)).build(**arguments)


def _nested(key: str, value: Any, base: type) -> Any:
    """Build what stands inside an argument: a data set of data sets, an augmentation of augmentations."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            return create(key, value, base)
        return {str(k): _nested(f"{key}.{k}", v, base) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_nested(f"{key}[{i}]", v, base) for i, v in enumerate(value)]
    return value


def locate(key: str, target: Any, base: type) -> type:
    """Return the class that a ``_target_`` names.

    Args:
        key: The config's place.
        target: The dotted path of the class.
        base: What it must be derived from.

    Raises:
        AutoALError: If it is not allowed, does not exist, or is no such class.
    """
    kind = base.__name__
    if not isinstance(target, str) or not re.fullmatch(r"\w+(\.\w+)+", target):
        raise AutoALError(f"{key}._target_={shown(target)} is not the dotted path of a class derived from {kind}")
    module_name, _, name = target.rpartition(".")
    module = _module(key, target, module_name)
    found = getattr(module, name, None)
    if not isinstance(found, type) or not issubclass(found, base):
        raise AutoALError(f"{key}._target_={shown(target)} is not a class derived from {kind}")
    if inspect.isabstract(found):
        raise AutoALError(f"{key}._target_={shown(target)} is an abstract {kind}; name a class derived from it")
    return found


def _module(key: str, target: str, name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    if not covers(OWN, name) and target not in registered_targets():
        package = name.partition(".")[0]
        raise AutoALError(
            f"{key}._target_={shown(target)} is not part of autoal, and nothing on this command line names the "
            f"package; if you trust its code, add trust=[{package}]"
        )
    return _import(key, target, name)


def _import(key: str, target: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a module's own code may fail in any way
        raise AutoALError(f"{key}._target_={shown(target)}: can't import {name}: {first_line(error)}") from error


def covers(packages: Iterable[str], name: str) -> bool:
    """Whether a dotted name is one of some packages or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def to_name_again(trust: Sequence[str]) -> list[str]:
    """Return what of a command line's trust the next command line has to name, too, shortest form.

    Args:
        trust: Packages, modules or classes by dotted name.

    Returns:
        Those that are neither this package's nor registered, without those that lie in another one.

    Example:
        >>> to_name_again(["mine", "mine.models.Net", "autoal.models.mlp.MLP", "theirs.Net"])
        ['mine', 'theirs.Net']
    """
    names = [t for t in dict.fromkeys(trust) if not covers(OWN, t)]
    registered = registered_targets() if names else set()
    return [n for n in names if n not in registered and not covers((o for o in names if o != n), n)]


def targets(config: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the place and the value of every ``_target_`` in a config of plain containers."""
    if depth > 50:
        raise AutoALError(f"the config is nested too deeply at {shown(key)}")
    if isinstance(config, Mapping):
        if isinstance(config.get("_target_"), str):
            yield key, config["_target_"]
        for name, value in config.items():
            yield from targets(value, f"{key}.{name}" if key else str(name), depth + 1)
    elif isinstance(config, list | tuple):
        for i, value in enumerate(config):
            yield from targets(value, f"{key}[{i}]", depth + 1)


def admit(config: Mapping[str, Any], trust: Sequence[str]) -> None:
    """Import the modules of a config's classes that lie in trusted packages.

    Args:
        config: A composed config.
        trust: Packages, modules or classes by dotted name that the user has named.

    Raises:
        AutoALError: If one of them can't be imported.
    """
    for key, target in targets(config):
        module = target.rpartition(".")[0]
        if module and module not in sys.modules and covers(trust, target):
            _import(key, target, module)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
