"""The commands that the program prints: they can be typed as they stand."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autoal.commands.data import add_arguments
from autoal.config.command_line import choices
from autoal.data.build import build_dataset
from autoal.errors import AutoALError
from tests.checkout import environment
from tests.composed import composed
from tests.documented.pages import ROOT
from tests.documented.stage import bash
from tests.documented.test_commands import parses

ROUNDS = 8
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


def test_ci_tests_kernels_as_on_older_processors() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert {"make test-cpus", 'make test ARGS="-rs"', 'make test-slow ARGS="-rs"'} <= set(ci.splitlines())
    shown = bash("make --dry-run test-cpus", ROOT).stdout
    assert "for level in default avx2; do ATEN_CPU_CAPABILITY=$level" in shown
    assert "tests/kernels tests/ddp/test_sharded.py" in shown


def unreachable(*args: object, **kwargs: object) -> None:
    raise OSError("no network")


@pytest.mark.slow
def test_what_fetches_missing_files_parses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.datasets._openml.urlopen", unreachable)
    printed = {}
    for name in choices("dataset"):
        config = composed(f"dataset={name}").dataset
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


@pytest.mark.slow
def test_what_continues_a_stopped_run(tmp_path: Path) -> None:
    """The default run directory holds '=': the printed command is typed as it stands."""
    env = environment(PYTHONPATH=str(ROOT / "src"))
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        "strategy=random",
        f"loop.n_rounds={ROUNDS}",
        "loop.n_query=5",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not list(tmp_path.glob("runs/**/last.ckpt")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=600)
    match = re.search(r"continue with: (.*)", said)
    assert match, said
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"timeout --signal=TERM 300 {match[1]}"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (summary,) = tmp_path.glob("runs/**/summary.json")
    assert json.loads(summary.read_text(encoding="utf-8"))["status"] == "finished"
    assert len((summary.with_name("rounds.csv")).read_text(encoding="utf-8").splitlines()) == ROUNDS + 2


@pytest.mark.parametrize("file", sorted((ROOT / "src").rglob("*.py")), ids=lambda f: f.name)
def test_what_installs_an_extra(file: Path) -> None:
    for text in re.findall(r"(pip install 'autoal\[\w+\]')", file.read_text(encoding="utf-8")):
        parses(text)
