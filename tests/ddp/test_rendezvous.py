"""Ranks find each other on a port that is bound before anybody is told of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from autoal.errors import AutoALError
from autoal.processes.cores import cores
from autoal.processes.rendezvous import FIRST_PORT, LISTENER, PORTS, Noticeboard, listen, port_of_step
from autoal.processes.signals import StopRequest
from autoal.processes.supervisor import STOP_PATIENCE, Ranks
from tests.faults import lives

STEP = {"SLURM_JOB_ID": "41", "SLURM_STEP_ID": "0", "SLURM_RESTART_COUNT": "1"}


def test_the_first_rank_has_the_socket_that_its_supervisor_bound(tmp_path: Path) -> None:
    listener = listen("127.0.0.1")
    port = listener.getsockname()[1]
    # Nobody else can have the port between its choice and the first rank's use of it.
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    code = (
        "import os, socket, sys; r = int(os.environ['LOCAL_RANK'])\n"
        "port = int(os.environ['PORT'])\n"
        f"handle = os.environ.get('{LISTENER}')\n"
        "if r == 0: socket.socket(fileno=int(handle)).accept()[0].sendall(b'here')\n"
        "else: assert handle is None and socket.create_connection(('127.0.0.1', port)).recv(4) == b'here'"
    )
    envs = [{**os.environ, "LOCAL_RANK": str(r), "PORT": str(port)} for r in (0, 1)]
    envs[0][LISTENER] = str(listener.fileno())
    assert Ranks([sys.executable, "-c", code], envs, tmp_path, listener).run(StopRequest()) == 0
    assert listener.fileno() == -1, "the supervisor keeps no copy"


def test_steps_have_ports_of_their_own() -> None:
    steps = [{**STEP, "SLURM_JOB_ID": str(job), "SLURM_STEP_ID": str(s)} for job in range(30) for s in range(2)]
    ports = [port_of_step(step) for step in steps]
    assert len(set(ports)) > 55, "chance alone lets few of sixty meet"
    assert all(FIRST_PORT <= port < FIRST_PORT + PORTS for port in ports)
    assert port_of_step(STEP) != port_of_step({**STEP, "SLURM_RESTART_COUNT": "2"})
    assert port_of_step({**STEP, "MASTER_PORT": "2345"}) == 2345


def test_tasks_of_one_machine_read_the_port(tmp_path: Path) -> None:
    board = Noticeboard(STEP, tmp_path)
    ports: list[int] = []
    reader = threading.Thread(target=lambda: ports.append(Noticeboard(STEP, tmp_path).read(20)))
    reader.start()
    board.write(4711)
    reader.join()
    assert ports == [4711]
    assert board.path.stat().st_mode & 0o077 == 0
    board.clear()
    with pytest.raises(AutoALError, match=r"rank 0 of this SLURM step did not say within 0 s"):
        board.read(0.2)


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    board, victim = Noticeboard(STEP, tmp_path), tmp_path / "victim"
    victim.write_text("mine")
    board.path.symlink_to(victim)
    board.write(4711)
    assert victim.read_text() == "mine"


@pytest.mark.ddp
@pytest.mark.slow
def test_many_experiments_of_two_ranks_at_once(tmp_path: Path) -> None:
    options = ("strategy=random", "trainer=ddp_cpu", "loop.n_rounds=1", "loop.epochs=1")
    runs = [
        subprocess.Popen(
            [sys.executable, "train.py", *lives.TINY, *options, f"paths.run_dir={tmp_path / str(i)}"],
            cwd=lives.ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        for i in range(4)
    ]
    assert [run.wait(300) for run in runs] == [0] * 4


def test_a_stop_is_over_before_the_batch_system_kills() -> None:
    text = (lives.ROOT / "conf" / "hydra" / "launcher" / "slurm.yaml").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("signal_delay_s"))
    assert int(line.split()[1]) >= 2 * STOP_PATIENCE


def test_cores_where_the_system_has_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert cores() == 12
