"""Bad input at the real command line: one line, non-zero exit, nothing written."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

BAD = {
    "strategy=margn": ["unknown strategy 'margn'", "Did you mean 'margin'?"],
    "datset=mnist": ["unknown key 'datset'", "Did you mean 'dataset'?"],
    "loop.n_qurey=3": ["unknown key of 'loop' 'n_qurey'", "Did you mean 'n_query'?"],
    "backbone.hiden=[3]": ["Did you mean 'hidden'?"],
    "+loop.n_quary=3": ["unknown loop key 'n_quary'", "Did you mean 'n_query'?"],
    "+sed=3": ["unknown key 'sed'", "Did you mean 'seed'?"],
    "loop.n_init=5000": ["larger than the pool of 1200 samples"],
    "loop.n_rounds=100": ["n_init 40 + n_rounds 100 * n_query 20 = 2040", "larger than the pool of 1200"],
    "loop.n_init=0": ["loop.n_init=0 is not an integer of at least 1"],
    "loop.n_query=-3": ["loop.n_query=-3 is not an integer of at least 1"],
    "loop.epochs=0": ["loop.epochs=0"],
    "loop.batch_size=1.5": ["loop.batch_size=1.5"],
    "loop.init=balanced": ["unknown loop.init 'balanced'", "class_balanced"],
    "loop.patience=3": ["loop.n_val"],
    "seed=-1": ["seed=-1"],
    "seed=abc": ["seed=abc"],
    "optimizer.lr=0": ["optimizer.lr=0 is not positive"],
    "optimizer.schedule=cosin": ["Did you mean 'cosine'?"],
    "backbone.dropout=1.0": ["backbone.dropout=1.0"],
    "resume=no/such/run": ["no/such/run"],
}


def train(root: Path, *overrides: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "train.py"), "trainer=cpu", *overrides]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def run_in_process(root: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    """Run train.py's main without the seconds that a new process takes to import torch."""
    monkeypatch.setattr(sys, "argv", [str(root / "train.py"), "trainer=cpu", *overrides])
    GlobalHydra.instance().clear()
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(root / "train.py"), run_name="__main__")
    GlobalHydra.instance().clear()
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.mark.parametrize("override", BAD)
def test_bad_input_is_one_line(
    root: Path,
    tmp_path: Path,
    override: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_in_process(root, monkeypatch, "strategy=random", override) == 1
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for part in BAD[override]:
        assert part in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_strategy_that_needs_dropout(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_in_process(root, monkeypatch, "strategy=bald", "backbone.dropout=0") == 1
    assert "set backbone.dropout" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_data_says_where_and_how(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ("strategy=random", "dataset=mnist", f"paths.data_dir={tmp_path / 'nowhere'}")
    assert run_in_process(root, monkeypatch, *overrides) == 1
    message = capsys.readouterr().err
    assert str(tmp_path / "nowhere") in message
    assert "autoal data mnist" in message
    assert list(tmp_path.iterdir()) == []


def test_a_real_process_exits_with_the_status_and_the_line(root: Path, tmp_path: Path) -> None:
    done = train(root, "strategy=badg3", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: unknown strategy 'badg3'.")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("script", ["train.py", "autoal"])
def test_help_imports_nothing_heavy(root: Path, script: str) -> None:
    body = (
        "import sys, runpy\n"
        f"sys.argv = [{script!r}, '--help']\n"
        "try:\n"
        + (
            f"    runpy.run_path({str(root / 'train.py')!r}, run_name='__main__')\n"
            if script == "train.py"
            else "    import autoal.commands.main; autoal.commands.main.main()\n"
        )
        + "except SystemExit: pass\n"
        "heavy = [m for m in ('torch', 'wandb', 'lightning', 'pandas', 'matplotlib') if m in sys.modules]\n"
        "print('HEAVY', heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=120, check=True)
    assert "HEAVY []" in done.stdout
    assert ("strategy" if script == "train.py" else "report") in done.stdout
