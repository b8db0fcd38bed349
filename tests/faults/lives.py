"""Runs whose life is a process that a test may end at a chosen point.

Processes are forked from a server that has imported everything already, so that a life costs a fraction of a
second; they do what ``train.py`` does once the config is composed.
"""

from __future__ import annotations

import csv
import importlib
import json
import multiprocessing
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from tests.composed import plain

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "trainer=cpu",
    "backbone.hidden=[16]",
    "loop.n_init=21",
    "loop.n_query=10",
    "loop.n_rounds=3",
    "loop.epochs=4",
    "loop.stop_train_acc=null",
    "loop.batch_size=8",
)
"""Digits and a small network, half a second a run. The pool sizes 1,179, 1,169, ... don't divide by 2."""

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["autoal.run.experiment", "autoal.query.registry", "tests.faults.lives"])


def config(*overrides: str) -> dict[str, Any]:
    """Compose the tiny experiment."""
    return plain(*TINY, *overrides)


@dataclass(frozen=True)
class Fault:
    """What happens when a function is called for the n-th time in a life.

    Attributes:
        target: ``"module:Class.method"`` or ``"module:function"``.
        nth: Which call, counted from 1.
        action: Name of a function of :mod:`tests.faults.actions`.
        options: Its keyword arguments.
    """

    target: str
    nth: int
    action: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def arm(self) -> None:
        """Put the fault into this process."""
        module_name, _, path = self.target.partition(":")
        *owners, name = path.split(".")
        owner: Any = importlib.import_module(module_name)
        for part in owners:
            owner = getattr(owner, part)
        original = getattr(owner, name)
        action = getattr(importlib.import_module("tests.faults.actions"), self.action)
        calls = 0

        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == self.nth:
                return action(original, *args, fault_options=self.options, **kwargs)
            return original(*args, **kwargs)

        setattr(owner, name, counted)


Part = tuple[dict[str, Any], Path]
"""A config and the run directory of its experiment."""


def _live(
    parts: Sequence[Part],
    resume: bool,
    faults: Sequence[Fault],
    env: Mapping[str, str],
    log: Path,
    threads: int | None,
) -> None:
    os.environ.update(env)
    if threads is not None:
        torch.set_num_threads(threads)
    sys.stdout = sys.stderr = log.open("a", encoding="utf-8", buffering=1)
    import autoal.loggers.files
    from autoal.errors import AutoALError
    from autoal.logs import quiet
    from autoal.run.experiment import Experiment

    quiet()
    if not any("plot" in fault.target for fault in faults):
        # Figures are half of a tiny run's time, and take no part in what is tested.
        autoal.loggers.files.plot_curve = lambda *args, **kwargs: None  # type: ignore[assignment]
    for fault in faults:
        fault.arm()
    status = 1
    try:
        for cfg, run_dir in parts:
            Experiment.build(cfg, run_dir, resume=resume).run(resume=resume)
        status = 0
    except AutoALError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    except SystemExit as end:
        status = int(str(end.code))
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)


def start(
    parts: Sequence[Part],
    resume: bool = False,
    faults: Sequence[Fault] = (),
    env: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> BaseProcess:
    """Start a life of one or more experiments; what it prints goes to ``<first run_dir>.log``."""
    run_dir = parts[0][1]
    log = run_dir.with_name(f"{run_dir.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    process = SERVER.Process(
        target=_live, args=(list(parts), resume, tuple(faults), dict(env or {}), log, threads)
    )
    process.start()
    return process


def live(
    cfg: dict[str, Any],
    run_dir: Path,
    resume: bool = False,
    faults: Sequence[Fault] = (),
    limit: float = 120,
    threads: int | None = None,
) -> int:
    """Run a life to its end; returns the exit status, negative for a signal."""
    return end(start([(cfg, run_dir)], resume, faults, threads=threads), limit)


def threads_of(run_dir: Path) -> int:
    """Return how many threads a run had: what has to be equal to it needs as many."""
    return int(json.loads((run_dir / "summary.json").read_text())["threads"])


def end(process: BaseProcess, limit: float = 120) -> int:
    """Wait for a life's end."""
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"a life did not end within {limit} s")
    return process.exitcode


def live_on_ranks(
    cfgs: Mapping[str, dict[str, Any]],
    folder: Path,
    size: int,
    limit: float = 300,
    resume: bool = False,
    faults: Sequence[Fault] = (),
) -> list[int]:
    """Run experiments one after the other on several ranks, as torchrun would place them.

    Args:
        cfgs: Run directory's name -> config.
        folder: Where run directories go; those of rank 1, 2, ... stay empty.
        size: Number of ranks.
        limit: Seconds until a rank counts as stuck.
        resume: Whether to continue what stands in the run directories.
        faults: What happens to the last rank.

    Returns:
        The ranks' exit statuses.
    """
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": f"{size}", "NODE_RANK": "0"}
    processes = []
    for rank in range(size):
        # All read one checkpoint; only rank 0 may write anything.
        home = folder if rank == 0 or resume else folder / f"rank{rank}"
        parts = [
            ({**cfg, "trainer": {**cfg["trainer"], "strategy": "ddp", "devices": size}}, home / name)
            for name, cfg in cfgs.items()
        ]
        own = faults if rank == size - 1 else ()
        processes.append(start(parts, resume, own, {**env, "LOCAL_RANK": str(rank)}))
    return [end(p, limit) for p in processes]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def log_of(run_dir: Path) -> str:
    """Return what the lives of a run have printed."""
    return run_dir.with_name(f"{run_dir.name}.log").read_text(encoding="utf-8")


def outcome(run_dir: Path) -> dict[str, Any]:
    """Return everything of a run that must not depend on how often it was interrupted: all but times."""
    ledger = [json.loads(line) for line in (run_dir / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    with (run_dir / "rounds.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    return {
        "ledger": [{k: v for k, v in line.items() if k != "time"} for line in ledger],
        "rounds": [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows],
        "summary": {k: summary[k] for k in ("status", "final_acc", "aubc", "recipe", "n_labeled", "rounds")},
        "predictions": predictions(run_dir),
    }


def predictions(run_dir: Path) -> dict[str, Any] | None:
    """Return the test predictions of a run, as lists."""
    from autoal.rundir.predictions import Predictions

    found = Predictions.read(run_dir)
    return None if found is None else {name: array.tolist() for name, array in vars(found).items()}


def bought(run_dir: Path) -> list[tuple[int, int]]:
    """Return (round, id) of every label bought, in order."""
    lines = (run_dir / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    return [(p["round"], p["id"]) for p in map(json.loads, lines)]


def wait_for(condition: Callable[[], bool], limit: float = 60) -> None:
    """Wait until something has happened."""
    end_of_patience = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end_of_patience, "what the test waits for did not happen"
        time.sleep(0.02)
