"""Where a process learns its rank from."""

from __future__ import annotations

import os

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from autoal.processes.launch import placed_by_slurm
from autoal.processes.rendezvous import Noticeboard, inherited, listen, port_of_step


class StepEnvironment(SLURMEnvironment):
    """The tasks of one SLURM step as ranks, however ``srun`` was told their number.

    :func:`autoal.processes.launch.placement` has checked that they are as many as the devices.
    """

    def __init__(self) -> None:
        super().__init__(auto_requeue=False)

    @staticmethod
    def _validate_srun_variables() -> None:
        """Accept ``srun --ntasks``."""

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Accept what has been checked already."""

    def world_size(self) -> int:
        """Number of tasks of the step, which may be fewer than the job's."""
        return int(os.environ["SLURM_STEP_NUM_TASKS"])

    @property
    def main_address(self) -> str:
        """Rank 0's machine; the loopback interface where all tasks are on one."""
        if self.on_one_machine:
            return "127.0.0.1"
        return super().main_address

    @property
    def main_port(self) -> int:
        """Rank 0's port, on several machines."""
        return port_of_step(os.environ)

    @property
    def on_one_machine(self) -> bool:
        """Whether the step has one node."""
        return int(os.environ.get("SLURM_STEP_NUM_NODES", "1")) == 1 and "MASTER_ADDR" not in os.environ


def cluster_environment() -> ClusterEnvironment:
    """Return where this process learns its rank from; Lightning's own guess takes a batch shell for a task."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    return StepEnvironment() if placed_by_slurm() else LightningEnvironment()


def meeting_port(environment: ClusterEnvironment, timeout: float) -> tuple[int, int | None]:
    """Return the port on which rank 0 of one machine listens, and in rank 0 the socket that does so already.

    Args:
        environment: Who this process is.
        timeout: Seconds to wait for rank 0's word.
    """
    if not (isinstance(environment, StepEnvironment) and environment.on_one_machine):
        return environment.main_port, inherited()
    board = Noticeboard(os.environ)
    if environment.global_rank() != 0:
        return board.read(timeout), None
    listener = listen(environment.main_address)
    port = int(listener.getsockname()[1])
    board.write(port)
    return port, listener.detach()


def met(environment: ClusterEnvironment) -> None:
    """Clear up behind :func:`meeting_port` once all ranks are there."""
    if isinstance(environment, StepEnvironment) and environment.global_rank() == 0:
        Noticeboard(os.environ).clear()
