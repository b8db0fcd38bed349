"""The command line of an experiment: where configs are, and errors that name the nearest valid word.

Imports nothing heavy: ``--help`` answers at once.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from autoal.config.arguments import quote_paths
from autoal.errors import AutoALError
from autoal.processes.signals import leave_as_usual

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


def conf_dir() -> Path:
    """Return AutoAL's own config directory: inside the installed package, or at the top of its checkout.

    Raises:
        AutoALError: If there is none.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package, package.parents[1]):
        if (root / "conf" / "train.yaml").exists():
            return root / "conf"
    raise AutoALError(f"no conf/train.yaml in {package} or {package.parents[1]}; install AutoAL again")


def conf_dirs() -> list[Path]:
    """Return where configs are looked for, first AutoAL's own: then ``./conf``, if there is one."""
    own, user = conf_dir(), Path.cwd() / "conf"
    return [own, user] if user.is_dir() and user.resolve() != own else [own]


def config_files(group: str) -> dict[str, Path]:
    """Return the files of a config group by name; of two with one name, the one that Hydra takes."""
    found: dict[str, Path] = {}
    for folder in conf_dirs():
        for path in sorted((folder / group).rglob("*.yaml")):
            found.setdefault(path.relative_to(folder / group).with_suffix("").as_posix(), path)
    # Parts that other configs are made of stand in folders named common.
    return {name: found[name] for name in sorted(found) if not name.startswith("common/")}


def choices(group: str) -> list[str]:
    """Return the names of a config group, e.g. ``choices("strategy")``."""
    return list(config_files(group))


def run_directory(config: DictConfig) -> Path:
    """Return the run directory: the sweep's own in a multirun, else ``paths.run_dir``."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return Path(HydraConfig.get().runtime.output_dir)
    return Path(config.paths.run_dir).absolute()


def command_line(main: Callable[[], Any]) -> None:
    """Run a Hydra main function; errors of the user are one line on stderr and exit status 1.

    Paths on the command line are taken as they were typed (:mod:`autoal.config.arguments`).
    """
    sys.argv[1:] = quote_paths(sys.argv[1:])
    # With this set Hydra raises its errors instead of printing pages and exiting.
    wanted_trace = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except AutoALError as error:
        _fail(str(error), wanted_trace)
    except (HydraException, OmegaConfBaseException) as error:
        _fail(explain(error), wanted_trace)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    finally:
        leave_as_usual()
        if wanted_trace is None:
            del os.environ["HYDRA_FULL_ERROR"]


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End a single run with one line and status 1 on an error of the user.

    In a multirun the error goes on to Hydra, which runs the other cells first.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    try:
        yield
    except AutoALError as error:
        if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        _fail(str(error), None)


def _fail(message: str, wanted_trace: str | None) -> None:
    if wanted_trace == "1":
        raise
    print(f"error: {message}", file=sys.stderr)
    sys.exit(EXIT_ERROR)


def explain(error: Exception) -> str:
    """Put Hydra's and OmegaConf's errors into one line with the nearest valid name."""
    text = str(error).strip()
    if match := re.search(r"Could not find '([\w-]+)/([^']+)'", text):
        return _unknown(match[1], match[2].removesuffix(".yaml"), choices(match[1]))
    if match := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(match[1])
    if match := re.search(r"[Nn]o match in the defaults list.*?'([^']+)'", text, re.DOTALL):
        return _unknown_key(match[1])
    cause = f" ({str(error.__cause__).strip().splitlines()[0]})" if error.__cause__ else ""
    return re.sub(r"\s+", " ", text.splitlines()[0] if text else type(error).__name__) + cause


def _unknown_key(key: str) -> str:
    if "@" in key or "/" in key:
        return f"cannot override '{key}'"
    group, _, rest = key.rpartition(".")
    valid = _keys(sys.argv[1:])
    siblings = [k.rpartition(".")[2] for k in valid if k.rpartition(".")[0] == group]
    if siblings:
        return _unknown(f"key of '{group}'" if group else "key", rest, siblings)
    return _unknown("key", key, valid)


def _keys(overrides: Iterable[str]) -> list[str]:
    """Return every dotted key of the config that the group choices among the overrides compose."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    groups = [o for o in overrides if re.fullmatch(r"\w+=[\w/-]+", o) and (conf_dir() / o.split("=")[0]).is_dir()]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("train", overrides=groups)
    found: list[str] = []

    def walk(node: Any, prefix: str) -> None:
        for name in node:
            path = f"{prefix}{name}"
            found.append(path)
            child = OmegaConf.to_container(config).get(name) if not prefix else node[name]  # type: ignore[union-attr]
            if isinstance(child, dict):
                walk(child, f"{path}.")

    container = OmegaConf.to_container(config)
    assert isinstance(container, dict)
    walk(container, "")
    return found


def _unknown(kind: str, name: str, valid: Iterable[str]) -> str:
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{name}'.{hint} Valid: {', '.join(names)}"
