"""Checking values of a config against declared types and ranges: one way for every group.

A setting is declared once, as a field of a dataclass or as an argument of the class that a ``_target_`` names,
by an ordinary annotation, with :class:`Range` where a type alone is not enough::

    n_query: Count                                         # Annotated[int, Range(1)]
    stop_train_acc: Annotated[float, Range(0, 1, "(]")] | None

Imports nothing heavy.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from autoal.errors import AutoALError, unknown_name

LONGEST = 120
"""Characters of a value that a message shows."""


@dataclass(frozen=True)
class Range:
    """Which numbers are valid.

    Attributes:
        low: Lower end, or None.
        high: Upper end, or None.
        ends: ``"["`` and ``"]"`` where an end belongs to the range, ``"("`` and ``")"`` where it does not.
    """

    low: float | None = None
    high: float | None = None
    ends: Literal["[]", "[)", "(]", "()"] = "[]"

    def __contains__(self, value: float) -> bool:
        """Whether a number is valid."""
        if self.low is not None and (value < self.low or (value == self.low and self.ends[0] == "(")):
            return False
        return self.high is None or value < self.high or (value == self.high and self.ends[1] == "]")

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"
        if self.low is not None:
            return f"above {self.low:g}" if self.ends[0] == "(" else f"of at least {self.low:g}"
        assert self.high is not None
        return f"below {self.high:g}" if self.ends[1] == ")" else f"of at most {self.high:g}"


Count = Annotated[int, Range(1)]
"""A positive integer."""
Size = Annotated[int, Range(1, 65536)]
"""A size of a layer or an image: more is a slip of the hand, not a network."""
Whole = Annotated[int, Range(0)]
"""A non-negative integer."""
Positive = Annotated[float, Range(0, None, "(]")]
"""A number above 0."""
NotNegative = Annotated[float, Range(0)]
"""A number from 0 up."""
Share = Annotated[float, Range(0, 1)]
"""A number from 0 to 1."""
LearningRate = Annotated[float, Range(0, 1000, "(]")]
"""A learning rate; above the upper end float32 weights overflow within steps."""
Text = Annotated[str, "not empty"]
"""A string with at least one character."""


@dataclass(frozen=True)
class Declared:
    """What is declared about one key.

    Attributes:
        kind: Its annotation; ``Any``: everything goes.
        required: Whether it must be given.
    """

    kind: Any = Any
    required: bool = False


class _Wrong(Exception):
    """A value that does not fit."""

    def __init__(self, key: str, value: Any, valid: str) -> None:
        super().__init__(f"{key}={shown(value)} is not {valid}")
        self.depth = key.count("[") + key.count(".")


def shown(value: Any) -> str:
    """Return a value as the command line writes it, cut to a length that a line bears."""
    text = {None: "null", True: "true", False: "false"}.get(value) if _is_flag(value) else None
    text = " ".join(str(value).split()) if text is None else text
    text = text if text or not isinstance(value, str) else "''"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}... ({len(text):,} characters)"


def _is_flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def settings_of(cls: type) -> dict[str, Declared]:
    """Return the fields of a dataclass as settings."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        f.name: Declared(
            hints[f.name],
            f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING,
        )
        for f in dataclasses.fields(cls)
        if f.init
    }


def arguments_of(cls: type, given: Sequence[str] = ()) -> tuple[dict[str, Declared], bool]:
    """Return the constructor arguments of a class as settings.

    A class whose arguments stand in a dataclass names it as its attribute ``settings_type``. Where the
    constructor takes ``**options`` they are its base class's.

    Args:
        cls: The class.
        given: Arguments that the program gives, which a config may not.

    Returns:
        The settings, and whether the constructor takes any further keyword.
    """
    declared = getattr(cls, "settings_type", None)
    if declared is not None:
        return {k: Declared(s.kind) for k, s in settings_of(declared).items()}, False
    found: dict[str, Declared] = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        if owner is object:
            return found, False
        init: Callable[..., None] = vars(owner)["__init__"]
        hints = _hints(init)
        parameters = list(inspect.signature(init).parameters.values())[1:]
        for p in parameters:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in given:
                found.setdefault(p.name, Declared(hints.get(p.name, Any), p.default is p.empty))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return found, False
    return found, True


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}  # names that only type checkers import: the constructor checks for itself


def check(
    group: str,
    values: Mapping[Any, Any],
    settings: Mapping[str, Declared],
    any_key: bool = False,
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """Check the values of a group.

    Args:
        group: Its name in messages, e.g. ``"loop"``.
        values: What the config gives.
        settings: What is declared.
        any_key: Whether keys that are not declared pass.
        also: Further keys of the group, checked elsewhere, that a message lists.

    Returns:
        The values, whole numbers as floats where a float is declared.

    Raises:
        AutoALError: Naming the key, its value and what is valid, or the nearest valid key.
    """
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in settings and not any_key:
            if not settings and not also:
                raise AutoALError(f"unknown key '{shown(f'{group}.{key}')}': {group} takes no options")
            raise unknown_key(group, str(key), [*settings, *also])
        if value == "???":
            raise AutoALError(f"{group}.{key} needs a value: {group}.{key}=...")
        checked[str(key)] = check_value(f"{group}.{key}", value, settings.get(key, Declared()).kind)
    for key, setting in settings.items():
        if setting.required and key not in values:
            raise AutoALError(f"{group}.{key} needs a value: {group}.{key}=... ({describe(setting.kind)})")
    return checked


def unknown_key(
    group: str, key: str, valid: collections.abc.Iterable[str], elsewhere: str | None = None
) -> AutoALError:
    """Build the error for a key that a group has not, naming the nearest one with its group.

    Args:
        group: The group; empty: the root.
        key: The key that was given.
        valid: The keys that the group has.
        elsewhere: A key of another group, named where no key of this one is near.
    """
    dot = f"{group}." if group else ""
    names = sorted(set(valid))
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    nearest = f"{dot}{near[0]}" if near else elsewhere
    hint = f" Did you mean '{nearest}'?" if nearest else ""
    whose = f" keys of {group}" if group else ""
    return AutoALError(f"unknown key '{shown(dot + key)}'.{hint} Valid{whose}: {', '.join(names)}")


def check_value(key: str, value: Any, kind: Any) -> Any:
    """Check one value.

    Args:
        key: Its dotted key, for messages.
        value: The value: plain containers, strings, numbers, booleans or None.
        kind: The annotation.

    Returns:
        The value; a float where an integer was given for one.

    Raises:
        AutoALError: Naming key, value and what is valid.
    """
    try:
        return _fit(key, value, kind)
    except _Wrong as wrong:
        raise AutoALError(str(wrong)) from None


def _fit(key: str, value: Any, kind: Any) -> Any:
    origin = get_origin(kind)
    if origin is Annotated:
        return _fit_annotated(key, value, kind)
    if origin in (Union, types.UnionType):
        return _fit_union(key, value, kind)
    if origin is Literal:
        return _fit_literal(key, value, kind)
    if kind is None or kind is type(None):
        return _need(value is None, key, value, kind)
    if kind is bool:
        return _need(isinstance(value, bool), key, value, kind)
    if kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
        return _need(fits, key, value, kind)
    if kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
        return float(_need(fits, key, value, kind))
    if kind in (str, Path):
        # A folder or a column may be called 5.
        fits = isinstance(value, str | int | float) and not isinstance(value, bool) and "\0" not in str(value)
        return str(_need(fits, key, value, kind))
    sequence = origin if isinstance(origin, type) else kind
    if isinstance(sequence, type) and issubclass(sequence, collections.abc.Mapping):
        return _fit_mapping(key, value, kind)
    if isinstance(sequence, type) and issubclass(sequence, collections.abc.Sequence):
        return _fit_sequence(key, value, kind)
    return value  # nothing that a config could be held to


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer larger than any float
        return False


def _need(fits: bool, key: str, value: Any, kind: Any) -> Any:
    if not fits:
        raise _Wrong(key, value, describe(kind))
    return value


def _fit_annotated(key: str, value: Any, kind: Any) -> Any:
    base, *notes = get_args(kind)
    try:
        fitted = _fit(key, value, base)
    except _Wrong as wrong:
        raise (
            wrong if wrong.depth > key.count("[") + key.count(".") else _Wrong(key, value, describe(kind))
        ) from None
    for note in notes:
        fits = fitted in note if isinstance(note, Range) else note != "not empty" or len(fitted) > 0
        if not fits:
            raise _Wrong(key, value, describe(kind))
    return fitted


def _fit_union(key: str, value: Any, kind: Any) -> Any:
    deepest: _Wrong | None = None
    for option in get_args(kind):
        try:
            return _fit(key, value, option)
        except _Wrong as wrong:
            if wrong.depth > key.count("[") + key.count("."):
                deepest = wrong  # a list with one bad entry: name the entry
        except AutoALError:
            if value is not None and isinstance(value, str):
                raise  # a word with a near one
    raise deepest or _Wrong(key, value, describe(kind))


def _fit_literal(key: str, value: Any, kind: Any) -> Any:
    words = get_args(kind)
    if any(value == w and isinstance(value, bool) == isinstance(w, bool) for w in words):
        return value
    if isinstance(value, str) and all(isinstance(w, str) for w in words):
        raise unknown_name(key, shown(value), words)
    raise _Wrong(key, value, describe(kind))


def _fit_sequence(key: str, value: Any, kind: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _Wrong(key, value, describe(kind))
    entries = get_args(kind)
    if get_origin(kind) is tuple and entries and entries[-1] is not Ellipsis:
        if len(entries) != len(value):
            raise _Wrong(key, list(value), describe(kind))
        return tuple(_fit(f"{key}[{i}]", v, e) for i, (v, e) in enumerate(zip(value, entries, strict=True)))
    kinds = entries[0] if entries else Any
    fitted = [_fit(f"{key}[{i}]", entry, kinds) for i, entry in enumerate(value)]
    return tuple(fitted) if get_origin(kind) is tuple else fitted


def _fit_mapping(key: str, value: Any, kind: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _Wrong(key, value, describe(kind))
    entries = get_args(kind)
    if not entries:
        return dict(value)
    return {k: _fit(f"{key}.{k}", entry, entries[1]) for k, entry in value.items()}


_WORDS: dict[Any, str] = {
    None: "null",
    type(None): "null",
    bool: "true or false",
    int: "an integer",
    float: "a finite number",
    str: "text",
    Path: "a path",
    Any: "a value",
}


def describe(kind: Any) -> str:
    """Say in words what an annotation allows, e.g. ``"an integer of at least 1 or null"``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        base, *notes = arguments
        if "not empty" in notes:
            return "a non-empty text" if base is str else f"a non-empty {describe(base).removeprefix('a ')}"
        text = "a number" if base is float and notes else describe(base)
        return " ".join([text, *(str(n) for n in notes if isinstance(n, Range))])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(a) for a in arguments if _has_words(a)))
    if origin is Literal:
        words = [shown(a) for a in arguments]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return f"a list of {len(arguments)} values"
    container = origin if isinstance(origin, type) else kind
    if isinstance(container, type) and issubclass(container, collections.abc.Mapping):
        return "a mapping {name: value}"
    if isinstance(container, type) and issubclass(container, collections.abc.Sequence) and container is not str:
        return f"a list [...] (each entry {describe(arguments[0])})" if arguments else "a list [...]"
    return _WORDS.get(kind, "a value")


def _has_words(kind: Any) -> bool:
    return get_origin(kind) is not None or kind in _WORDS or not isinstance(kind, type)
