"""The command line of an experiment: where configs are, and errors that name the nearest valid word.

Imports nothing heavy: ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from autoal.config.arguments import asks_for_multirun, flags_first, own_callbacks, own_strategy, quote_paths
from autoal.config.explain import explain, os_error
from autoal.config.instantiate import first_line
from autoal.config.offers import offers, package_confs
from autoal.config.root import check_paths, check_root, plain
from autoal.config.values import shown
from autoal.config.variants import only_for
from autoal.errors import AutoALError
from autoal.processes.signals import leave_as_usual

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130

TRACEBACK = "AUTOAL_TRACEBACK"
"""Environment variable: 1 shows the traceback of every error; set where the user has set HYDRA_FULL_ERROR=1."""


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
    """Return where configs are looked for: AutoAL's own, ``./conf``, and those of packages that register parts."""
    own, user = conf_dir(), Path.cwd() / "conf"
    users = [user] if user.is_dir() and user.resolve() != own else []
    return [own, *users, *package_confs()]


def config_files(group: str) -> dict[str, Path]:
    """Return the files of a config group by name; of two with one name, the one that Hydra takes."""
    found: dict[str, Path] = {}
    for folder in conf_dirs():
        for path in sorted((folder / group).rglob("*.yaml")):
            found.setdefault(path.relative_to(folder / group).with_suffix("").as_posix(), path)
    # Parts that other configs are made of stand in folders named common.
    return {name: found[name] for name in sorted(found) if not name.startswith("common/")}


def choices(group: str) -> list[str]:
    """Return the names of a config group, e.g. ``choices("strategy")``, with what installed packages add."""
    return sorted({*config_files(group), *(offer.name for offer in offers(group))})


def is_multirun() -> bool:
    """Whether this process runs a cell of a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def run_directory(config: DictConfig) -> Path:
    """Return the run directory: the sweep's own in a multirun, else ``paths.run_dir``.

    Raises:
        AutoALError: If the config has no valid one.
    """
    if is_multirun():
        from hydra.core.hydra_config import HydraConfig

        return Path(HydraConfig.get().runtime.output_dir)
    checked = check_root(plain(config, complete=False))
    return Path(check_paths(checked["paths"]).run_dir).absolute()


def command_line(main: Callable[[], Any]) -> None:
    """Run a Hydra main function; errors of the user are one line on stderr and exit status 1.

    Paths on the command line are taken as they were typed (:mod:`autoal.config.arguments`).
    """
    # With this set Hydra raises its errors instead of printing pages and exiting.
    wanted_trace = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if wanted_trace == "1":
        os.environ[TRACEBACK] = "1"
    try:
        _refuse_rerun(sys.argv[1:])
        sys.argv[1:] = _words(sys.argv[1:])
        main()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        _fail(error)
    finally:
        leave_as_usual()
        if wanted_trace is None:
            del os.environ["HYDRA_FULL_ERROR"]


def _words(typed: Sequence[str]) -> list[str]:
    """Return the words as Hydra's grammar wants them."""
    words = own_callbacks(own_strategy(quote_paths(flags_first(typed))))
    if any(word.lstrip("+").startswith("strategy.") for word in words):
        words = only_for(words, choices("strategy"), multirun=asks_for_multirun(words))
    return words


def in_one_line(error: Exception) -> str:
    """Say what went wrong in one line, whatever it was.

    An error that nobody expected is a bug, or a state of the machine; the line says where its traceback is.
    """
    if isinstance(error, AutoALError):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return explain(error)
    if isinstance(error, ValueError) and "Config group override" in str(error):
        return f"{first_line(error)}; a group is chosen by its name, e.g. strategy=random"
    if isinstance(error, OSError):
        return str(os_error(error))
    where = getattr(error, "__notes__", None) or [f"{TRACEBACK}=1 shows the traceback"]
    return f"unexpected {type(error).__name__}: {shown(first_line(error))}; {where[-1]}"


def _refuse_rerun(argv: Sequence[str]) -> None:
    """Refuse Hydra's rerun, which unpickles a file and so runs whatever is in it."""
    flags = [word.partition("=")[0] for word in argv if word.startswith("--e")]
    if any("--experimental-rerun".startswith(flag) for flag in flags):  # argparse takes abbreviations
        raise AutoALError("--experimental-rerun is not supported; continue a run with resume=RUN_DIRECTORY")


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End a single run with one line and status 1 on any error.

    In a multirun the error goes on to the launcher, as one line, and the other cells run.
    """
    try:
        yield
    except Exception as error:
        if not is_multirun():
            _fail(error)
        if os.environ.get(TRACEBACK) == "1":
            traceback.print_exc()
        raise AutoALError(in_one_line(error)) from error


def _fail(error: Exception) -> NoReturn:
    if os.environ.get(TRACEBACK) == "1":
        raise error
    print(f"error: {in_one_line(error)}", file=sys.stderr)
    sys.exit(EXIT_ERROR)
