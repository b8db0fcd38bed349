"""Every command of the pages works as it is typed, and every command that the program prints.

What :mod:`tests.documented.marks` does not list is run verbatim by bash in a scratch clone, page by page, in the
pages' order; what it lists is composed or parsed. So a new command is run, or fails here.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import io
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from autoal.commands.main import COMMANDS
from autoal.config.command_line import choices, conf_dir
from tests.composed import composed
from tests.documented.marks import MARKS, reason
from tests.documented.pages import EVERY, PAGES, ROOT, Command, commands
from tests.documented.stage import STAGES, bash, scratch_clone

MARKED = [command for command in EVERY if reason(command.text) and not command.is_form]
TYPED = [page for page in PAGES if any(not c.is_form and not reason(c.text) for c in commands(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", TYPED)
def test_commands_work_as_typed(page: str, tmp_path: Path) -> None:
    folder = scratch_clone(ROOT, tmp_path / "clone")
    STAGES.get(page, lambda folder: None)(folder)
    for command in commands(page):
        if not command.is_form and not reason(command.text):
            done = bash(command.text, folder)
            assert done.returncode == 0, f"{command.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def first_values(words: list[str]) -> list[list[str]]:
    """Return the command lines of a sweep in which one key at a time has another than its first value."""
    cut = [word.partition(",")[0] if re.fullmatch(r"[\w/.+]+=[\w.,/-]+", word) else word for word in words]
    lines = [cut]
    for i, word in enumerate(words):
        if word != cut[i] and not word.startswith("seed="):
            key, _, values = word.partition("=")
            lines += [[*cut[:i], f"{key}={value}", *cut[i + 1 :]] for value in values.split(",")[1:]]
    return lines


@functools.cache
def composes(words: tuple[str, ...]) -> None:
    if any(word.lstrip("+~").startswith("hydra") for word in words):
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            compose("train", overrides=list(words), return_hydra_config=True)
    else:
        composed(*words)


@functools.cache
def helps(module: str) -> str:
    """Return what a module of the experiments says of itself."""
    said, words = io.StringIO(), sys.argv
    sys.argv = [module, "--help"]
    try:
        # In this process, which has imported all that takes seconds.
        with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as stop:
            runpy.run_module(module, run_name="__main__")
    finally:
        sys.argv = words
    assert not stop.value.code
    return said.getvalue()


def parses(text: str) -> None:
    """Check a command without running it.

    Raises:
        AssertionError: If it names a program, an option, a key or a choice that does not exist.
    """
    words = shlex.split(text.replace("[", " ").replace("]", " ") if " [--" in text else text)
    if words[0] in ("srun", "torchrun"):
        words = ["python", *words[next(i for i, w in enumerate(words) if w == "train.py") :]]
    match words:
        case ["python", "train.py", *rest]:
            assert not [w for w in rest if w.startswith("-") and w not in ("-m", "--help")], text
            overrides = [w for w in rest if not w.startswith("-") and not w.startswith("resume=")]
            first, *others = first_values(overrides)
            composes(tuple(first))
            for line in others:
                # Strategies are composed one by one in the contract tests.
                if any(w.startswith("strategy.") for w in line):
                    composes(tuple(line))
                strategy = [w.partition("=")[2] for w in line if w.startswith("strategy=")]
                assert set(strategy) <= set(choices("strategy")), text
        case ["python", "-m", module, *rest]:
            own, after = (rest[: rest.index("--")], rest[rest.index("--") + 1 :]) if "--" in rest else (rest, [])
            said = helps(module)
            flags = [w for w in own if w.startswith("--")]
            assert [w for w in flags if not re.search(rf"(?<![\w-]){w}(?![\w-])", said)] == [], text
            composes(tuple(after))
        case ["autoal", name, *rest]:
            command = importlib.import_module(f"autoal.commands.{COMMANDS[name][0]}")
            parser = argparse.ArgumentParser(exit_on_error=False)
            command.add_arguments(parser)
            parser.parse_args(rest)
        case ["make", *_]:
            done = bash(f"make --dry-run {shlex.join(words[1:])}", ROOT)
            assert done.returncode == 0, done.stderr
            for line in done.stdout.splitlines():
                if match := re.search(r"bin/(python -m experiments\.\w+\.run.*)", line):
                    parses(match[1])
        case ["pip", "install", package]:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            extra = re.fullmatch(r"autoal\[(\w+)\]", package)
            assert extra, text
            assert extra[1] in project["optional-dependencies"], text
        case ["nvidia-smi" | "wandb", *_]:
            pass
        case _:
            pytest.fail(f"cannot check {text}")


@pytest.mark.parametrize("command", MARKED, ids=lambda c: f"{c.page}: {c.text[:60]}")
def test_marked_commands_parse_and_compose(command: Command) -> None:
    parses(command.text)


@pytest.mark.parametrize(("pattern", "why"), MARKS)
def test_every_mark_is_of_a_command(pattern: str, why: str) -> None:
    assert any(re.fullmatch(pattern, command.text) for command in EVERY), f"no page shows {pattern} ({why})"


@pytest.mark.parametrize(
    "text",
    [
        *("python train.py strategy=bagde", "python train.py -m loop.n_inti=3,4", "autoal reprot runs"),
        *("autoal report runs --outt report", "python -m experiments.digits_study.rum", "make studdy"),
        *("python -m experiments.digits_study.run --seed 3", "pip install 'autoal[slrm]'", "vim train.py"),
    ],
)
def test_a_command_with_a_slip_is_found(text: str) -> None:
    with pytest.raises((Exception, SystemExit, pytest.fail.Exception)):
        parses(text)


def test_pages_show_commands() -> None:
    """The reader finds blocks, sentences and lines that go on."""
    readme = [command.text for command in commands("README.md")]
    assert readme[:2] == ["make run", "make test"]
    assert any("hydra.sweep.dir=sweeps/first dataset=cifar10" in text for text in readme)
    assert all(page in {command.page for command in EVERY} for page in STAGES)
