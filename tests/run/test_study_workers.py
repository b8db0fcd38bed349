"""The processes of a study: fed, told of, stopped, and replaced when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autoal.processes.signals import EXIT_INTERRUPTED
from autoal.run.study_workers import StudyEnd, StudyJob, TimeLeft
from autoal.rundir.names import LEDGER
from autoal.rundir.state import is_finished, read_summary
from tests.faults import lives

SCRIPT = f"""
from pathlib import Path
from autoal.run.study import Setting, main

TINY = {lives.TINY!r}
BAD = ("bad", "strategy=margin", "dataset.test_size=0.5x")
SETTINGS = [Setting("digits", TINY, ("random", BAD, "margin"), (0, 1))]
if __name__ == "__main__":
    main(Path(__file__).parent, SETTINGS)
"""


def study(folder: Path, *words: str) -> subprocess.Popen[str]:
    script = folder / "run.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), "--root", str(folder / "runs"), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=lives.ROOT, start_new_session=True)


def until(condition: object, seconds: float = 120.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def workers_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_a_failed_cell_is_told_and_the_others_run(tmp_path: Path) -> None:
    process = study(tmp_path, "--jobs", "2")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 3
    assert "2 of 6 runs failed" in err
    assert "digits: 4 finished runs" in out
    assert "[6/6]" in out
    assert all(is_finished(tmp_path / f"runs/digits/{s}/seed={n}") for s in ("random", "margin") for n in (0, 1))
    assert "Traceback" not in err


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = ("--strategies", "margin", "--seeds", "0", "--", "loop.n_rounds=40")
    run_dir = tmp_path / "runs/digits/margin/seed=0"
    process = study(tmp_path, *words)
    until(lambda: (run_dir / LEDGER).exists() and len((run_dir / LEDGER).read_text().splitlines()) > 60)
    workers = workers_of(process.pid)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == EXIT_INTERRUPTED
    assert err.splitlines()[-1].startswith("stopped; every run has saved")
    assert not any(alive(pid) for pid in workers)
    said = read_summary(run_dir)
    assert said is not None
    assert said["status"] == "interrupted"
    bought = (run_dir / LEDGER).read_text()
    again = study(tmp_path, *words)
    _, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert (run_dir / LEDGER).read_text().startswith(bought), "it went on, and did not begin anew"
    assert is_finished(run_dir)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    process = study(tmp_path, "--strategies", "margin", "--", "loop.n_rounds=20")
    run_dir = tmp_path / "runs/digits/margin/seed=0"
    until((run_dir / LEDGER).exists)
    (worker,) = workers_of(process.pid)
    os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "its process was killed by SIGKILL" in err
    assert (read_summary(run_dir) or {})["status"] == "failed"
    assert is_finished(tmp_path / "runs/digits/margin/seed=1")


@pytest.mark.slow
def test_a_worker_that_alone_is_stopped_leaves_a_study_that_says_so(tmp_path: Path) -> None:
    process = study(tmp_path, "--strategies", "margin", "--", "loop.n_rounds=20")
    until((tmp_path / "runs/digits/margin/seed=0" / LEDGER).exists)
    (worker,) = workers_of(process.pid)
    os.kill(worker, signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "processes were told to stop before 2 runs had ended" in err


def test_time_left_goes_by_what_cells_of_the_same_kind_took() -> None:
    jobs = [StudyJob(f"{kind} {n}", kind, (), Path()) for n in range(3) for kind in ("cheap", "dear")]
    clock = TimeLeft(jobs, 2)
    line = clock.line(StudyEnd(jobs[0], "finished", seconds=2.0, result={"final_acc": 0.5, "aubc": 0.4}))
    assert line == "cheap 0: 50.00%, AUBC 40.00%, 2.0 s; about 5 s left"
    clock.line(StudyEnd(jobs[1], "finished", seconds=20.0))
    assert clock.seconds() == (2 * 2.0 + 2 * 20.0) / 2
    for job in jobs[2:]:
        last = clock.line(StudyEnd(job, "failed", seconds=1.0))
    assert last == "dear 2: failed, 1.0 s"
