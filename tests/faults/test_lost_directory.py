"""What others do to a run's files while it works: it notices, and says how it ended."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from autoal.rundir.checkpoints import FORMAT
from tests.faults import lives
from tests.faults.lives import Fault
from tests.faults.shell import Shell

STEP = "autoal.training.lit:LitClassifier.training_step"


@pytest.mark.parametrize(
    "point", [f"{STEP}", "autoal.loop.queries:pool_pass", "autoal.rundir.ledger:Ledger.append"]
)
def test_a_removed_run_directory_ends_the_run(point: str, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    nth = 17 if point == STEP else 2
    fault = Fault(point, nth, "remove", {"paths": [str(run_dir)]})
    assert lives.live(lives.config("strategy=margin"), run_dir, faults=[fault]) == 1
    log = lives.log_of(run_dir)
    assert "was removed or moved while the run worked in it" in log or "was changed or removed while" in log, log
    assert "Traceback" not in log
    assert not (run_dir / "summary.json").exists(), "no summary of a run whose files are gone"


def test_a_ledger_removed_alone_ends_the_run(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    fault = Fault(STEP, 17, "remove", {"paths": [str(run_dir / "ledger.jsonl")]})
    assert lives.live(lives.config("strategy=margin"), run_dir, faults=[fault]) == 1
    message = f"{run_dir / 'ledger.jsonl'} was changed or removed while the run worked with it: 0 bytes instead of"
    assert f"error: {message}" in lives.log_of(run_dir)
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert summary["message"].startswith(message)


def test_an_error_at_the_end_still_leaves_a_summary(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    faults = [Fault("autoal.loop.view:PlainView.stop", 1, "no_space"), Fault(STEP, 20, "no_space")]
    assert lives.live(lives.config("strategy=margin"), run_dir, faults=faults) == 1
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "failed"


@pytest.mark.slow
def test_a_pipe_that_closes_does_not_end_a_run(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "here")
    settings = " ".join((*lives.TINY, "loop.n_rounds=2", "strategy=random", "paths.run_dir=run"))
    life = shell.run(f"bash -c 'set -o pipefail; python train.py {settings} | head -n 1'")
    assert life.process.wait(300) == 0, life.text
    assert json.loads((shell.folder / "run" / "summary.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_a_closed_terminal_stops_and_saves(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    command = [sys.executable, "train.py", *lives.TINY, "loop.n_rounds=60", f"paths.run_dir={run_dir}"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(lives.ROOT)
        os.execv(command[0], [*command, "strategy=margin"])
    seen = b""
    while not (run_dir / "checkpoints" / "last.ckpt").exists():
        seen += os.read(terminal, 4096)  # a terminal that nobody reads stops who writes
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 143, seen.decode(errors="replace")
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "interrupted"


def test_a_full_disk_is_called_one(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    fault = Fault(
        "autoal.rundir.checkpoints:AtomicCheckpointIO.save_checkpoint", 3, "small_files", {"bytes": 9000}
    )
    assert lives.live(lives.config("strategy=margin"), run_dir, faults=[fault]) == 1
    log = lives.log_of(run_dir)
    assert f"error: cannot write {run_dir / 'checkpoints' / 'last.ckpt'}" in log
    assert "File too large" in log, "what the system said"
    assert "unexpected pos" not in log
    full = tmp_path / "full"
    assert lives.live(lives.config("strategy=margin"), full, faults=[Fault("os:fsync", 6, "no_space")]) == 1
    assert "disk full" in lives.log_of(full)


def without(path: str) -> Any:
    def change(content: dict[str, Any]) -> None:
        *groups, last = path.split("/")
        for group in groups:
            content = content[group]
        del content[last]

    return change


def fewer_rows(content: dict[str, Any]) -> None:
    content["callbacks"]["ActiveLearning"]["records"]["rows"].pop()


DAMAGES = {
    "callbacks": without("callbacks/ActiveLearning"),
    "pool": without("ActiveLearningDataModule"),
    "weights": without("state_dict/net.head.weight"),
    "rows": fewer_rows,
    "format": without("autoal"),
    "everything": lambda content: content.clear(),
}


@pytest.mark.parametrize(
    ("damage", "both"),
    [
        ("callbacks", True),
        ("rows", False),
        *(pytest.param(d, b, marks=pytest.mark.slow) for d in DAMAGES for b in (False, True)),
    ],
)
def test_a_checkpoint_that_lacks_something_gives_way(
    damage: str, both: bool, tmp_path: Path, calm: dict[str, Any]
) -> None:
    cfg, run_dir = lives.config("strategy=margin"), tmp_path / "run"
    assert lives.live(cfg, run_dir, faults=[Fault(STEP, 40, "kill")]) == -signal.SIGKILL
    for name in ("last.ckpt", "last.prev.ckpt") if both else ("last.ckpt",):
        path = run_dir / "checkpoints" / name
        content = torch.load(path, weights_only=True)
        DAMAGES[damage](content)
        torch.save(content, path)
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert "can't be used (" in (run_dir / "train.log").read_text()
    assert lives.outcome(run_dir) == calm


def test_a_checkpoint_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    cfg, run_dir = lives.config("strategy=margin"), tmp_path / "run"
    assert lives.live(cfg, run_dir, faults=[Fault(STEP, 40, "kill")]) == -signal.SIGKILL
    path = run_dir / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["autoal"]["format"] = FORMAT + 1
    torch.save(content, path)
    assert lives.live(cfg, run_dir, resume=True) == 1
    log = lives.log_of(run_dir)
    assert (
        f"error: a newer version of AutoAL wrote this run's checkpoint (format {FORMAT + 1}, not {FORMAT})" in log
    )


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg, run_dir = lives.config("strategy=margin"), tmp_path / "run"
    assert lives.live(cfg, run_dir, faults=[Fault("torch:save", 4, "half_file")]) == -signal.SIGKILL
    assert list(run_dir.rglob(".*.tmp"))
    assert lives.live(cfg, run_dir, resume=True) == 0
    assert not list(run_dir.rglob(".*.tmp"))
    assert lives.outcome(run_dir) == calm


@pytest.mark.parametrize(
    "name", ["SIGUSR1", "SIGINT", *(pytest.param(n, marks=pytest.mark.slow) for n in ("SIGUSR2", "SIGTERM"))]
)
def test_a_signal_before_the_run_ends_with_its_status(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "train.py", *lives.TINY, f"paths.run_dir={tmp_path / 'run'}"]
    process = subprocess.Popen(command, cwd=lives.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    caught = Path(f"/proc/{process.pid}/status")

    def handled() -> bool:
        mask = next(line for line in caught.read_text().splitlines() if line.startswith("SigCgt"))
        return bool(int(mask.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1)

    lives.wait_for(handled)
    time.sleep(0.2)  # hydra is being imported
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if name == "SIGINT" else 143), err.decode()
    assert err == b""
    assert not (tmp_path / "run").exists()
