"""Sweeps that tests send to a real SLURM."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults import lives
from tests.slurm.cluster import Cluster


class Launcher:
    """A launcher at work.

    Args:
        process: Its process.
        log: Where what it prints goes.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def said(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text(errors="replace")

    def finish(self, sweep: Path, limit: float = 420, status: int = 0) -> str:
        """Wait for its end; returns what it printed."""
        try:
            self.process.wait(timeout=limit)
        finally:
            self.process.kill()
        logs = "\n".join(p.read_text(errors="replace")[-2000:] for p in sweep.rglob("*log.err"))
        assert self.process.returncode == status, self.said() + logs
        return self.said()


def start_sweep(cluster: Cluster, sweep: Path, *overrides: str) -> Launcher:
    """Start a launcher that sends tiny experiments."""
    options = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=null", f"hydra.sweep.dir={sweep}")
    command = [sys.executable, "train.py", "-m", *options, *lives.TINY, *overrides]
    number = len(list(sweep.parent.glob(f"{sweep.name}.*.log")))
    log = sweep.with_name(f"{sweep.name}.{number}.log")
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=lives.ROOT,
            env={**cluster.env, "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Launcher(process, log)


@contextmanager
def no_delay(cluster: Cluster) -> Iterator[None]:
    """Start requeued jobs at once."""
    over = threading.Event()

    def keep_starting() -> None:
        while not over.wait(1.0):
            cluster.begin_now()

    thread = threading.Thread(target=keep_starting)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def labels(sweep: Path) -> dict[Path, int]:
    """Return the number of labels that each run has bought so far."""
    return {p.parent: len(p.read_text().splitlines()) for p in sweep.rglob("ledger.jsonl")}


def resumes(run_dir: Path) -> int:
    """Return how often a run was continued."""
    return (run_dir / "train.log").read_text().count("resumed:")
