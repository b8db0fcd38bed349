"""Somebody who has only the documentation adds a strategy: the blocks of docs/extend.md, in real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from autoal.commands.main import main
from autoal.config.instantiate import admit
from autoal.query.registry import build

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def script_of(page: Path) -> str:
    """One bash script: titled blocks are written to files, bash blocks are run, in order."""
    lines = ["set -euo pipefail"]
    for language, title, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if title:
            lines.append(f"cat > '{title}' <<'END-OF-BLOCK'\n{body}END-OF-BLOCK")
        else:
            assert language == "bash", f"{page.name}: a block of {language} without a title"
            lines.append(body)
    return "\n".join(lines)


def test_the_files_of_a_strategy_of_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The quick part: what ``autoal new`` writes is a strategy, and a second call writes nothing."""
    package = tmp_path / "src" / "quick_strategies"
    assert main(["new", "strategy", "second_best", "--package", str(package)]) == 0
    assert 'second_best = "quick_strategies.second_best:SecondBest"' in capsys.readouterr().out
    assert "- `second_best`" in (tmp_path / "README.md").read_text()
    config = yaml.safe_load((package / "conf" / "strategy" / "second_best.yaml").read_text())
    monkeypatch.syspath_prepend(str(package.parent))
    admit({"strategy": config}, ["quick_strategies"])
    assert build(config).name == "second_best"
    compile((tmp_path / "tests" / "test_second_best.py").read_text(), "test_second_best.py", "exec")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["new", "strategy", "second_best", "--package", str(package)]) == 1
    assert "exists already; nothing was written" in capsys.readouterr().err
    for name, error in (("badge", "there is a strategy 'badge' already"), ("9x", "'9x' is no name of a strategy")):
        assert main(["new", "strategy", name, "--package", str(package)]) == 1
        assert error in capsys.readouterr().err
    assert {p: p.read_bytes() for p in before} == before


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``autoal`` is this checkout, and ``pip install .`` installs into a folder."""
    programs, site = tmp_path / "bin", tmp_path / "site"
    programs.mkdir()
    site.mkdir()
    (site / "sitecustomize.py").write_text("")
    path = f"{ROOT / 'src'}:{site}"
    commands = {
        "autoal": f'exec {sys.executable} -m autoal "$@"',
        "python": f'exec {sys.executable} "$@"',
        "pip": f'exec {sys.executable} -m pip -q "$@" --no-index --no-deps --no-build-isolation --target {site}',
    }
    for name, body in commands.items():
        # What the page puts on PYTHONPATH comes first, then the checkout and what pip installed.
        program = programs / name
        program.write_text(f'#!/bin/bash\nexport PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{path}"\n{body}\n')
        program.chmod(0o755)
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    return {**clean, "PATH": f"{programs}:{clean['PATH']}", "OMP_NUM_THREADS": "1"}


def run(script: str, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_strategy_of_another_package_with_the_page_only(tmp_path: Path, shell: dict[str, str]) -> None:
    out = run(script_of(ROOT / "docs" / "extend.md"), tmp_path, shell)
    assert "of my-strategies\n  unsure" in out
    for run_dir in ("by-class", "by-config", "installed"):
        summary = json.loads((tmp_path / "my-strategies" / "runs" / run_dir / "summary.json").read_text())
        assert (summary["status"], summary["strategy"]) == ("finished", "unsure")
    own = tmp_path / "my-strategies" / "runs" / "all-own"
    summary = json.loads((own / "summary.json").read_text())
    assert (summary["status"], summary["dataset"], summary["backbone"]) == ("finished", "rings", "narrow")
    assert re.findall(r"^(\d+) labels: 0\.\d+$", (own / "lines.txt").read_text(), re.MULTILINE) == ["20", "30"]
    # The name that does not exist: where strategies are looked for.
    words = "cd my-strategies; python -c \"from autoal.query.registry import build; build('unsrue')\" 2>&1 || true"
    error = run(words, tmp_path, shell).splitlines()[-1]
    assert "Did you mean 'unsure'" in error
    assert "entry points 'autoal.strategies'" in error


@pytest.mark.slow
def test_a_strategy_of_the_checkout(tmp_path: Path, shell: dict[str, str]) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("src", "conf", "tests/contract", "tests/strategies"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests/conftest.py", "tests/__init__.py", "pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, clone / name)
    before = {**shell, "PYTHONPATH": str(clone / "src")}
    out = run("autoal new strategy second_best", clone, before)
    assert "python -m experiments.readme" in out
    assert "- Strategy `second_best`" in (clone / "CHANGELOG.md").read_text()
    run("python -m pytest -q -p no:cacheprovider tests/strategies/test_second_best.py", clone, before)
    run("python -m pytest -q -p no:cacheprovider tests/contract/test_strategies.py -k second_best", clone, before)
    again = run("autoal new strategy second_best 2>&1 || true; autoal new strategy 9x 2>&1 || true", clone, before)
    assert "there is a strategy 'second_best' already" in again
    assert "'9x' is no name of a strategy" in again
