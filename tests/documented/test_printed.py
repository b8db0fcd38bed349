"""The commands that the program prints: they can be typed as they stand."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from autoal.commands.data import add_arguments
from autoal.config.command_line import choices, conf_dir
from autoal.data.build import build_dataset
from autoal.errors import AutoALError
from tests.documented.pages import ROOT
from tests.documented.stage import bash
from tests.documented.test_commands import parses

TARGETS = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_make_lists_its_targets() -> None:
    shown = bash("make", ROOT).stdout
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("  make ")] == TARGETS
    assert {"run", "test", "study"} <= set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_make_targets_exist(target: str) -> None:
    done = bash(f"make --dry-run {target} STUDY=digits_study", ROOT)
    assert done.returncode == 0, done.stderr


def test_make_study_names_the_studies() -> None:
    """Without a name it says which there are; each of them has the module that it runs."""
    done = bash("make --old-file=.venv/.installed study STUDY=nosuch", ROOT)
    assert done.returncode != 0
    named = re.search(r"one of: (.*)", done.stdout + done.stderr)
    assert named, done
    assert set(named[1].split()) == {path.parent.name for path in (ROOT / "experiments").glob("*/run.py")}
    example = re.search(r"make study STUDY=(\w+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert example
    assert example[1] in named[1].split()


def unreachable(*args: object, **kwargs: object) -> None:
    raise OSError("no network")


def test_what_fetches_missing_files_parses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.datasets._openml.urlopen", unreachable)
    printed = {}
    for name in choices("dataset"):
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = compose("train", overrides=[f"dataset={name}"]).dataset
        if "???" in str(config):
            continue
        dataset = build_dataset(config)
        if dataset.needs_files:
            with pytest.raises(AutoALError) as caught:
                dataset.load(tmp_path / "it's nowhere")
            if match := re.search(r"(autoal data .*)$", str(caught.value)):
                printed[name] = match[1]
    assert len(printed) > 10
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    for name, text in printed.items():
        words = shlex.split(text)
        args = parser.parse_args(words[2:])
        assert args.dataset in choices("dataset"), (name, text)
        assert args.root == tmp_path / "it's nowhere", (name, text)


@pytest.mark.parametrize("file", sorted((ROOT / "src").rglob("*.py")), ids=lambda f: f.name)
def test_what_installs_an_extra(file: Path) -> None:
    for text in re.findall(r"(pip install 'autoal\[\w+\]')", file.read_text(encoding="utf-8")):
        parses(text)
