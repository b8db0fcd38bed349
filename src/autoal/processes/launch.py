"""Several processes for one experiment: who this one is, and starting those of this machine.

A config with more than one device makes ``train.py`` a supervisor: it starts one process per device
(:mod:`autoal.run.rank`), passes signals on to them, and stops them all when one of them dies. Processes that
were placed from outside (torchrun, one SLURM task per device) are left as they are.

Imports nothing heavy: the supervisor itself needs neither torch nor a GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from autoal.console.invocation import VARIABLE, program
from autoal.errors import AutoALError
from autoal.processes.cores import cores
from autoal.processes.rendezvous import LISTENER, listen, port_of_step
from autoal.processes.signals import StopRequest
from autoal.processes.supervisor import Ranks

MULTI_PROCESS_STRATEGIES = ("ddp",)


@dataclass(frozen=True)
class Placement:
    """Which processes this one has to start.

    Attributes:
        local: Processes on this machine.
        nodes: Machines.
        node: This machine, ``0 <= node < nodes``.
        address: Where rank 0 listens.
        port: The port it listens on; 0: a free one, which the ranks are told when it is bound.
    """

    local: int
    nodes: int = 1
    node: int = 0
    address: str = "127.0.0.1"
    port: int = 0

    @property
    def world_size(self) -> int:
        """Processes on all machines."""
        return self.local * self.nodes


def global_rank() -> int:
    """Return this process's rank in its experiment: 0 unless something started it as another."""
    if placed_by_slurm():
        return int(os.environ["SLURM_PROCID"])
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def placed() -> bool:
    """Whether this process has been started as one rank of several."""
    return "LOCAL_RANK" in os.environ or placed_by_slurm()


def placed_by_slurm() -> bool:
    """Whether SLURM started one task per device, and not one per node."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    nodes = int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
    return "LOCAL_RANK" not in os.environ and tasks > nodes


def placement(trainer: Mapping[str, Any]) -> Placement | None:
    """Return what this process has to start for a ``trainer`` config, or None if it runs alone or is placed.

    Raises:
        AutoALError: If the devices make no sense, or nothing says where the other machines are.
    """
    if placed_by_slurm():
        _check_tasks(trainer)
    if placed() or trainer.get("strategy") not in MULTI_PROCESS_STRATEGIES:
        return None
    local, nodes = local_devices(trainer), int(trainer.get("num_nodes") or 1)
    if local * nodes == 1:
        return None
    if nodes == 1:
        return Placement(local)
    return _node_of_several(local, nodes)


def _check_tasks(trainer: Mapping[str, Any]) -> None:
    """Refuse a SLURM step whose tasks are not the ranks of the config, in one line of its first task."""
    env = os.environ
    tasks, nodes = int(env["SLURM_STEP_NUM_TASKS"]), int(env.get("SLURM_STEP_NUM_NODES", "1"))
    message = ""
    if trainer.get("strategy") not in MULTI_PROCESS_STRATEGIES:
        message = (
            f"srun has started {tasks} tasks for an experiment of one process; use srun --ntasks=1, or "
            f"trainer=ddp trainer.devices={tasks // nodes} trainer.num_nodes={nodes}"
        )
    else:
        local, machines = local_devices(trainer), int(trainer.get("num_nodes") or 1)
        if (local * machines, machines) != (tasks, nodes):
            message = (
                f"srun has started {tasks} tasks on {nodes} nodes, but the trainer means {machines} nodes with "
                f"{local} devices each; set trainer.devices={tasks // nodes} trainer.num_nodes={nodes}, or start "
                "one task per node"
            )
    if message and global_rank() == 0:
        raise AutoALError(message)
    if message:
        sys.exit(1)


def local_devices(trainer: Mapping[str, Any]) -> int:
    """Return the number of devices per machine that a ``trainer`` config means.

    Raises:
        AutoALError: If it is not a positive number, or there is no GPU to count.
    """
    devices, accelerator = trainer.get("devices"), trainer.get("accelerator")
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        return len(devices)
    if str(devices) in ("auto", "-1"):
        return _count_gpus(required=accelerator == "gpu") if accelerator in ("gpu", "auto") else 1
    try:
        count = int(str(devices))
    except ValueError as error:
        raise AutoALError(f"trainer.devices={devices} is neither a number nor 'auto'") from error
    if count < 1:
        raise AutoALError(f"trainer.devices={devices} is not a positive number")
    return count


def _count_gpus(required: bool) -> int:
    import torch  # only here: a supervisor on the CPU does without

    count = torch.cuda.device_count()
    if count == 0 and required:
        raise AutoALError(
            "trainer.accelerator=gpu, but this machine shows no GPU; use trainer=ddp_cpu or trainer=cpu"
        )
    return max(count, 1)


def _node_of_several(local: int, nodes: int) -> Placement:
    if "SLURM_NODEID" in os.environ:
        port = port_of_step(os.environ)
        address = os.environ.get("MASTER_ADDR") or _first_host(os.environ["SLURM_JOB_NODELIST"])
        return Placement(local, nodes, int(os.environ["SLURM_NODEID"]), address, port)
    if {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} <= os.environ.keys():
        env = os.environ
        return Placement(local, nodes, int(env["NODE_RANK"]), env["MASTER_ADDR"], int(env["MASTER_PORT"]))
    raise AutoALError(
        f"trainer.num_nodes={nodes}, but nothing starts the other machines: use hydra/launcher=slurm or torchrun, "
        "or set MASTER_ADDR, MASTER_PORT and NODE_RANK on each"
    )


def _first_host(nodelist: str) -> str:
    command = ["scontrol", "show", "hostnames", nodelist]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise AutoALError(f"cannot tell the first machine of {nodelist} ({error}); set MASTER_ADDR") from error
    return done.stdout.split()[0]


@dataclass(frozen=True)
class Job:
    """What each rank is told to run.

    Attributes:
        config: The composed config.
        run_dir: The run directory.
        overrides: The command line's overrides, for the record.
        resume: Whether to continue what stands in the run directory.
        parent: Process id of the supervisor.
        trust: What the command line trusts, see :func:`autoal.run.start.trusted`.
    """

    config: dict[str, Any]
    run_dir: str
    overrides: list[str]
    resume: bool
    parent: int
    trust: list[str] = field(default_factory=list)


def run_ranks(
    place: Placement,
    config: Mapping[str, Any],
    run_dir: Path,
    overrides: Sequence[str],
    resume: bool,
    trust: Sequence[str] = (),
) -> dict[str, Any]:
    """Run an experiment on several processes of this machine and wait for them.

    Args:
        place: What to start.
        config: A composed config as plain containers.
        run_dir: The run directory.
        overrides: The command line's overrides, for the record.
        resume: Whether to continue what stands in the run directory.
        trust: What the command line trusts.

    Returns:
        The content of ``summary.json``; empty on machines other than the first.

    Raises:
        RankFailure: If a rank failed; all have been stopped then.
    """
    stop = StopRequest()
    with tempfile.TemporaryDirectory(prefix="autoal-ranks-") as folder:
        job = Job(dict(config), str(run_dir), list(overrides), resume, os.getpid(), list(trust))
        job_file = Path(folder) / "job.json"
        job_file.write_text(json.dumps(asdict(job)), encoding="utf-8")
        command = [sys.executable, "-m", "autoal.run.rank", str(job_file)]
        # Bound before anybody is told of it: no other job can take the port meanwhile.
        listener = listen(place.address) if place.nodes == 1 else None
        if listener is not None:
            place = replace(place, port=int(listener.getsockname()[1]))
        environments = [_environment(place, i) for i in range(place.local)]
        if listener is not None:
            environments[0][LISTENER] = str(listener.fileno())
        ranks = Ranks(command, environments, Path(folder), listener)
        signum = ranks.run(stop)
        if signum:
            stop.leave(signum, main=place.node == 0)
        return ranks.result()


def _environment(place: Placement, local_rank: int) -> dict[str, str]:
    env = dict(os.environ)
    env.setdefault(VARIABLE, program())
    env["MASTER_ADDR"], env["MASTER_PORT"] = place.address, str(place.port)
    env["WORLD_SIZE"], env["NODE_RANK"] = str(place.world_size), str(place.node)
    env["LOCAL_RANK"], env["RANK"] = str(local_rank), str(place.node * place.local + local_rank)
    # Each process would take every core for its threads, and they would wait for each other.
    env.setdefault("OMP_NUM_THREADS", str(max(1, cores() // place.local)))
    return env
