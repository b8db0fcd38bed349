"""Every key of every config with wrong values: one line that names key and value, and no run directory."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoal.config.command_line import choices, conf_dir, in_one_line
from autoal.config.root import GROUPS, MAY_BE_EMPTY, check_root
from autoal.config.values import shown
from autoal.processes.launch import placement
from autoal.run.experiment import Experiment
from autoal.rundir.directory import RunDir
from tests.composed import plain

BAD: tuple[Any, ...] = (
    *("abc", None, -3, 0, 1.5, 1e38, True, ["a"], {}, "", float("inf"), float("nan"), 2**70, {"a": 1}),
)
QUICK = {
    "": "",
    "dataset": "digits",
    "backbone": "mlp",
    "strategy": "badge",
    "optimizer": "sgd",
    "training": "fixmatch",
    "loop": "default",
    "trainer": "cpu",
    "logger": "wandb",
    "callbacks": "learning_rate_monitor",
    "paths": "default",
}
"""The config of each group that the quick test takes; an empty name is the root's own keys."""
TOGETHER = {"optimizer.momentum=0", "loop.keep_best=true"}
"""Values that are refused for what else is set: the line names the key and the condition."""
NEEDS_FILES = {"backbone.pretrained=true"}
"""Valid values whose files are not on every machine: the line says which file goes where."""


class ClaimedError(Exception):
    """All is checked: from here on the run owns its directory."""


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory that must not come into being; a run ends where it would claim it."""

    def claim(self: RunDir, *args: Any, **options: Any) -> None:
        raise ClaimedError

    monkeypatch.setattr(RunDir, "claim", claim)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def config_of(group: str, name: str) -> dict[str, Any]:
    words = {"trainer": "cpu", "strategy": "random", "dataset": "digits", "backbone": "mlp"} | (
        {group: f"[{name}]" if group in MAY_BE_EMPTY else name} if group else {}
    )
    # Strategies with Monte-Carlo passes need a network that drops units.
    extra = ["backbone.dropout=0.1"] if words["backbone"] == "mlp" else []
    return plain(*(f"{k}={v}" for k, v in words.items()), *extra)


def scalars(node: Any, key: str) -> Iterator[str]:
    """Yield the dotted keys of all values that are no mapping, lists included."""
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from scalars(value, f"{key}.{name}" if key else name)
    else:
        yield key


def keys_of(config: dict[str, Any], group: str) -> list[str]:
    node = config[group] if group else {k: v for k, v in config.items() if k not in GROUPS}
    return list(scalars(node, group))


def changed(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(config)
    *groups, last = key.split(".")
    node = config
    for part in groups:
        node = node[part]
    node[last] = value
    return config


def said(config: dict[str, Any], where: Path) -> str:
    """Return the line that a command line with this config ends with; empty where it would start to train."""
    try:
        checked = check_root(config)
        placement(checked["trainer"])
        Experiment.build(checked, where).run()
    except ClaimedError:
        return ""
    except Exception as error:
        return f"error: {in_one_line(error)}"
    raise AssertionError("a run without a directory")


def check(config: dict[str, Any], key: str, value: Any, usual: str, where: Path) -> None:
    """Hold one value of one key to the promise; ``usual`` is what is said of the config as it stands."""
    line, case = said(changed(config, key, value), where), f"{key}={shown(value)}"
    assert not where.exists(), case
    if line in ("", usual):
        return  # a valid value; data that are not there end such a run as before
    last = key.rpartition(".")[2]
    assert "\n" not in line, case
    assert not line.startswith("error: unexpected"), (case, line)
    assert len(line) < 2000, case
    # The name of a part chooses it: "unknown strategy 'abc'".
    assert last in line or (last == "name" and key.partition(".")[0] in line), (case, line)
    number = str(float(value)) if type(value) is int else ""
    entries = [f"{last}{mark}" for mark in ("[", ".")] if isinstance(value, list | dict) else []
    inner = [f"'{name}'" for name in value] if isinstance(value, dict) else []
    named = [shown(value), *([number] if number else []), *entries, *inner]
    # An empty text shows as nothing.
    assert value == "" or case in TOGETHER | NEEDS_FILES or any(word in line for word in named), (case, line)


@pytest.mark.parametrize("group", QUICK)
def test_a_sample_of_wrong_values(group: str, where: Path) -> None:
    """Two or three values per key, others for the next one."""
    config = config_of(group, QUICK[group])
    usual = said(config, where)
    for i, key in enumerate(keys_of(config, group)):
        for value in BAD[i % 5 :: 5]:
            check(config, key, value, usual, where)


def one_of_each_kind() -> Iterator[tuple[str, str]]:
    """Yield the configs of all groups, one of those that build the same class."""
    for group in QUICK:
        seen = set()
        for name in choices(group) if group else [""]:
            file = conf_dir() / group / f"{name}.yaml"
            target = re.search(r"^_target_: (\S+)", file.read_text(encoding="utf-8"), re.M) if group else None
            if (kind := target[1] if target else name) not in seen:
                seen.add(kind)
                yield group, name


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name"), one_of_each_kind(), ids=lambda value: value)
def test_every_wrong_value(group: str, name: str, where: Path) -> None:
    config = config_of(group, name)
    usual = said(config, where)
    for key in keys_of(config, group):
        for value in BAD:
            check(config, key, value, usual, where)
