"""A rank that is killed, stopped or late ends the run on every rank, with one line that names it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoal.processes.watch import Watch
from tests.faults import lives

HOST = re.escape(socket.gethostname())
LONG = ("loop.n_rounds=400", "loop.n_query=1", "loop.epochs=2", "strategy=margin", "trainer=ddp_cpu")
SHORT = "trainer.timeout_min=0.4"
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")


def train(launcher: tuple[str, ...], run_dir: Path, *overrides: str, **env: str) -> subprocess.Popen[str]:
    """Start an experiment of two ranks."""
    command = [sys.executable, *launcher, "train.py", *lives.TINY, *LONG, SHORT, f"paths.run_dir={run_dir}"]
    return subprocess.Popen(
        [*command, *overrides],
        cwd=lives.ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def rank_process(parent: int, rank: int) -> int:
    """Return the process of a rank under the process that started the ranks."""
    for pid in _below(parent):
        try:
            words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"LOCAL_RANK={rank}".encode() in words:
            return pid
    raise AssertionError(f"no process of rank {rank}")


def _below(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    own = [int(pid) for pid in text.split()]
    return own + [pid for child in own for pid in _below(child)]


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), TORCHRUN], ids=["supervisor", "torchrun"])
@pytest.mark.parametrize("signum", [signal.SIGSTOP, signal.SIGKILL])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_lost_rank_is_named(launcher: tuple[str, ...], signum: int, rank: int, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = train(launcher, run_dir)
    ledger = run_dir / "ledger.jsonl"
    lives.wait_for(lambda: ledger.exists() and len(lives.bought(run_dir)) > 23, limit=120)
    ranks = [rank_process(process.pid, r) for r in (0, 1)]
    os.kill(ranks[rank], signum)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    if signum == signal.SIGSTOP:
        line = rf"^error: rank {rank} of 2 \(process {ranks[rank]} on {HOST}\) gave no sign of life for 19 s"
    elif launcher:
        # torchrun ends the others at once; who is faster, it or the watch, is the one that names the lost rank.
        ours, its = rf"^error: rank {rank} of 2 \(process {ranks[rank]} on {HOST}\) has died", "Signal 9 .*PID"
        line = rf"{ours}|{its} {ranks[rank]}\b"
    else:
        line = rf"^error: rank {rank} of 2 was killed by SIGKILL; all ranks have been stopped"
    assert re.search(line, text, re.M), text
    assert not [pid for pid in ranks if _running(pid)]
    if signum == signal.SIGSTOP and (rank == 1 or not launcher):
        # Under torchrun nobody is left who knows the directory of a rank 0 that is gone.
        summary = json.loads((run_dir / "summary.json").read_text())
        assert summary["status"] == "failed"
        assert f"rank {rank} of 2" in summary["message"]
    if signum == signal.SIGKILL and not launcher:
        assert json.loads((run_dir / "summary.json").read_text())["status"] == "failed"


# --- the watch by itself, as threads of one process --------------------------------------------------------


class _Ranks:
    """Two watches that know of each other."""

    def __init__(self, timeout: float) -> None:
        self.lines: list[tuple[int, str, bool]] = []
        gate, about = threading.Barrier(2), [None, None]

        def exchange(rank: int) -> Callable[[Any], list[Any]]:
            def together(value: Any) -> list[Any]:
                about[rank] = value
                gate.wait()
                return list(about)

            return together

        def lost(rank: int) -> Callable[[str, bool], None]:
            return lambda line, speaking: self.lines.append((rank, line, speaking))

        self.watches = [Watch(timeout, lost(rank)) for rank in (0, 1)]
        joins = [
            threading.Thread(target=watch.join, args=(rank, 2, exchange(rank), "127.0.0.1"))
            for rank, watch in enumerate(self.watches)
        ]
        for thread in joins:
            thread.start()
        for thread in joins:
            thread.join()

    def close(self) -> None:
        for watch in self.watches:
            watch.leave()


def test_one_that_waits_names_the_one_that_does_not_come() -> None:
    ranks = _Ranks(timeout=0.8)
    ranks.watches[0].begin("a sum over the ranks")
    lives.wait_for(lambda: bool(ranks.lines))
    ranks.close()
    assert ranks.lines[0][0] == 0
    assert re.fullmatch(rf"rank 1 of 2 \(process \d+ on {HOST}\) did not come to a sum .*", ranks.lines[0][1])
    assert ranks.lines[0][2], "rank 0 says it"


def test_long_work_that_makes_progress_is_waited_for() -> None:
    ranks = _Ranks(timeout=1.5)
    met = threading.Event()

    def arrive() -> None:
        ranks.watches[1].meet("the end of a query")
        met.set()

    waiting = threading.Thread(target=arrive)
    waiting.start()
    for _ in range(25):  # work of more than the time-out
        time.sleep(0.1)
        ranks.watches[0].beat()
        assert not met.is_set()
    ranks.watches[0].meet("the end of a query")
    waiting.join(10)
    ranks.close()
    assert met.is_set()
    assert not ranks.lines


def test_nobody_is_blamed_where_nobody_waits() -> None:
    ranks = _Ranks(timeout=0.4)
    time.sleep(1.0)  # both at work by themselves, without a word on their progress
    ranks.close()
    assert not ranks.lines


def test_one_that_has_left_is_not_missed_and_its_reason_is_told() -> None:
    ranks = _Ranks(timeout=20)
    lives.wait_for(lambda: all(o.heard for w in ranks.watches for o in w._others.values()))
    ranks.watches[1].leave("CUDA out of memory")
    lost = ranks.watches[0].culprit()
    assert lost is not None
    assert lost.message.endswith("ended: CUDA out of memory")
    time.sleep(1.0)
    ranks.close()
    assert not ranks.lines


def test_a_stranger_is_not_heard() -> None:
    ranks = _Ranks(timeout=40)
    first = ranks.watches[0]
    assert first._socket is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for word in (b"\xff", b"[]", b"{}", b'{"token": "", "rank": 1, "mark": 9, "left": true, "message": "x"}'):
            stranger.sendto(word, first._socket.getsockname())
    time.sleep(0.3)
    assert not first._others[1].left
    ranks.close()


def test_alone_there_is_nothing_to_watch() -> None:
    watch = Watch()
    watch.join(0, 1, lambda value: [value], "127.0.0.1")
    with watch.together("a step"):
        watch.meet("a checkpoint")
    assert watch.culprit() is None
    watch.leave()
