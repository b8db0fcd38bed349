"""Who may write a run directory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from autoal.errors import AutoALError
from autoal.rundir.directory import RunDir
from tests.faults import lives
from tests.faults.lives import Fault


def test_the_second_of_two_processes_is_refused(tmp_path: Path) -> None:
    cfg = lives.config("strategy=margin", "loop.n_rounds=1")
    run_dir = tmp_path / "run"
    stopped = Fault("autoal.training.lit:LitClassifier.training_step", 3, "send", {"signal": "SIGSTOP"})
    first = lives.start([(cfg, run_dir)], faults=[stopped])
    lives.wait_for(lambda: (run_dir / "ledger.jsonl").exists())
    try:
        for resume in (False, True):
            assert lives.live(cfg, run_dir, resume=resume) == 1
            assert f"error: another process is working in the run directory {run_dir}" in lives.log_of(run_dir)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGCONT)
        assert lives.end(first) == 0, lives.log_of(run_dir)
    finally:
        first.kill()
    assert lives.live(cfg, run_dir) == 1
    assert f"{run_dir} already holds a run" in lives.log_of(run_dir)


def _claim_as_nobody(path: Path, said: Connection) -> None:
    os.setgid(65534)
    os.setuid(65534)
    try:
        RunDir(path).claim()
    except AutoALError as error:
        said.send(str(error))
    else:
        said.send("claimed")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("exists", [True, False], ids=["the directory", "its parent"])
def test_read_only_run_directory(exists: bool) -> None:
    fork = multiprocessing.get_context("fork")  # nothing heavy runs in the child
    with tempfile.TemporaryDirectory() as folder:
        closed = Path(folder) / "closed"
        closed.mkdir(mode=0o555)
        Path(folder).chmod(0o755)
        path = closed if exists else closed / "run"
        hear, say = fork.Pipe(duplex=False)
        process = fork.Process(target=_claim_as_nobody, args=(path, say))
        process.start()
        assert hear.poll(60)
        assert hear.recv() == f"cannot write the run directory {path}: Permission denied"
        process.join(60)


def test_a_run_directory_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AutoALError, match=r"cannot write the run directory .*Not a directory"):
        RunDir(tmp_path / "file" / "run").claim()
