"""Hydra's and OmegaConf's errors in one line that names the nearest valid word.

Imports nothing heavy.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from autoal.config.training import REFUSED
from autoal.config.values import shown, unknown_key
from autoal.errors import AutoALError


def explain(error: Exception, words: Sequence[str] | None = None) -> str:
    """Put an error of Hydra or OmegaConf into one line with the nearest valid name.

    Args:
        error: The error.
        words: The overrides that were composed; default: the command line's.
    """
    text = str(error).strip()
    if match := re.search(r"Could not (?:find|load) '([\w./-]+)/([^'/]+)'", text):
        group = match[1]
        name = match[2].removesuffix(".yaml")
        return unknown(group, name, _Configs().options(group))
    if match := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(match[1], words)
    if match := re.search(r"[Nn]o match in the defaults list.*?'([^']+)'", text, re.DOTALL):
        return _unknown_key(match[1], words)
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        key = full[1] if (full := re.search(r"full_key: (\S+)", text)) else match[1]
        return f"{key} needs a value: {key}=..."
    if match := re.search(r"Interpolation key '([^']+)' not found(?:.*full_key: (\S+))?", text, re.DOTALL):
        return f"{match[2] or 'the config'} refers to {match[1]}, which does not exist"
    cause = f" ({str(error.__cause__).strip().splitlines()[0]})" if error.__cause__ else ""
    return re.sub(r"\s+", " ", text.splitlines()[0] if text else type(error).__name__) + cause


def unknown(kind: str, name: str, valid: Iterable[str]) -> str:
    """Say that a name does not exist, with the nearest valid one."""
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{shown(name)}'.{hint} Valid: {', '.join(names)}"


def _unknown_key(key: str, words: Sequence[str] | None = None) -> str:
    if "@" in key or "/" in key:
        return f"cannot override '{key}'"
    group, _, name = key.rpartition(".")
    if group == "trainer" and name in REFUSED:
        return f"{key} can't be set: {REFUSED[name]}"
    words = sys.argv[1:] if words is None else words
    valid = _Configs().keys(words)
    if group == "strategy" and (told := _of_some_strategies(key, words)):
        return told
    if key in valid:
        return f"{key} can't be set to that value; choose a config ({key}=NAME) or set its keys one by one"
    if group in valid and not any(k.startswith(f"{group}.") for k in valid):
        return f"unknown key '{shown(key)}': {group} takes no options"
    siblings = [k.rpartition(".")[2] for k in valid if k.rpartition(".")[0] == group]
    if not siblings and group.startswith("strategy."):
        return _unknown_strategy_or_key(group, words)
    if not siblings:
        return unknown("key", key, [k for k in valid if k.count(".") == 0])
    # The key of another group, by the name that it has there.
    elsewhere = next((k for k in valid if k.rpartition(".")[2] == name), None)
    return str(unknown_key(group, name, siblings, elsewhere))


def _unknown_strategy_or_key(key: str, words: Sequence[str]) -> str:
    """Of ``strategy.NAME.KEY``, where NAME may be a strategy's name with a slip, or an option's."""
    name, strategies = key.partition(".")[2], _Configs().options("strategy")
    if difflib.get_close_matches(name, strategies, n=1, cutoff=0.6):
        return unknown("strategy", name, strategies)
    return _unknown_key(key, words)


def _of_some_strategies(key: str, words: Sequence[str]) -> str:
    """Say how to give an option to those strategies of a sweep that have it; empty if that is not the matter."""
    swept = next((w for w in reversed(words) if re.fullmatch(r"strategy=\w+(,\w+)+", w)), "")
    names = swept.partition("=")[2].split(",")
    having = [name for name in names if name and key in _Configs().keys([f"strategy={name}"])]
    if not having or len(having) == len(names):
        return ""
    others = ", ".join(name for name in names if name not in having)
    return (
        f"{key} is an option of {', '.join(having)} and not of {others}; "
        f"give it to one strategy only: strategy.{having[0]}.{key.partition('.')[2]}=..."
    )


class _Configs:
    """The configs that this command line sees: the package's, and those of ``--config-dir``."""

    def __init__(self, argv: Sequence[str] | None = None) -> None:
        from hydra._internal.config_loader_impl import ConfigLoaderImpl
        from hydra._internal.utils import create_config_search_path
        from hydra.core.plugins import Plugins

        from autoal.config.command_line import conf_dir

        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for flags in (("--config-dir", "-cd"), ("--config-path", "-cp"), ("--config-name", "-cn")):
            parser.add_argument(*flags)
        given, _ = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
        Plugins.instance()
        main = Path(given.config_path).absolute() if given.config_path else conf_dir()
        self.name = given.config_name or "train"
        search_path = create_config_search_path(str(main))
        if given.config_dir:
            search_path.prepend("command-line", f"file://{Path(given.config_dir).absolute()}", "schema")
        self._loader = ConfigLoaderImpl(search_path)

    def options(self, group: str) -> list[str]:
        """Return the names of a group's configs, of folders in it too; parts of configs stand in ``common``."""
        from hydra.core.object_type import ObjectType

        found = list(self._loader.get_group_options(group, ObjectType.CONFIG))
        for folder in self._loader.get_group_options(group, ObjectType.GROUP):
            # Hydra's own groups hold folders of things that are no choice of the group.
            if folder != "common" and not group.startswith("hydra/"):
                found += [f"{folder}/{name}" for name in self.options(f"{group}/{folder}")]
        return found

    def keys(self, overrides: Iterable[str]) -> list[str]:
        """Return every dotted key of the config that the group choices among the overrides compose."""
        from hydra.errors import HydraException
        from hydra.types import RunMode
        from omegaconf.errors import OmegaConfBaseException

        known = self._loader.list_groups("")
        groups = [o for o in overrides if re.fullmatch(r"\w+=[\w/-]+", o) and o.partition("=")[0] in known]
        try:
            config = self._loader.load_configuration(self.name, groups, RunMode.RUN)
        except (HydraException, OmegaConfBaseException):
            config = self._loader.load_configuration(self.name, [], RunMode.RUN)
        return list(_walk({k: v for k, v in _plain(config).items() if k != "hydra"}))


def _plain(config: DictConfig) -> dict[str, Any]:
    container = OmegaConf.to_container(OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"]))
    assert isinstance(container, dict)
    return {str(k): v for k, v in container.items()}


def _walk(node: dict[str, Any], prefix: str = "") -> Iterable[str]:
    for name, child in node.items():
        yield f"{prefix}{name}"
        if isinstance(child, dict):
            yield from _walk(child, f"{prefix}{name}.")


def os_error(error: OSError) -> AutoALError:
    """Put an error of the operating system into one line with the path it is about."""
    reason = error.strerror or str(error) or type(error).__name__
    return AutoALError(f"{shown(error.filename)}: {reason}" if error.filename is not None else shown(reason))
