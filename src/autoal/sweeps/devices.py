"""Which GPUs and how many CPU threads each cell of a local pool gets."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Sequence
from typing import Any

from autoal.errors import AutoALError
from autoal.processes.cores import cores
from autoal.processes.launch import MULTI_PROCESS_STRATEGIES, local_devices


class Devices:
    """The GPUs and cores of this machine, dealt out to the cells that run.

    Args:
        processes: Cells at a time; None: one per GPU, or one per two CPU cores without a GPU.
        gpus: The GPUs to hand out, by number; None: all that there are.
        threads: CPU threads per cell; None: the cores divided by the cells.

    Raises:
        AutoALError: If ``processes`` is not a positive number.
    """

    def __init__(
        self, processes: int | None = None, gpus: Sequence[int] | None = None, threads: int | None = None
    ) -> None:
        self.gpus = [str(d) for d in gpus] if gpus is not None else visible_gpus()
        n_cores = cores()
        self.processes = len(self.gpus) or max(1, n_cores // 2) if processes is None else processes
        if self.processes < 1:
            raise AutoALError(f"hydra.launcher.processes={processes} is not a positive number")
        self._threads = threads or max(1, n_cores // self.processes)
        # Several cells share a GPU where more of them run than there are GPUs.
        self._share = -(-self.processes // len(self.gpus)) if self.gpus else 0
        self._used: Counter[str] = Counter()

    def wanted(self, trainer: Any) -> int:
        """Return the number of GPUs that a cell needs; on a machine without, its number of processes.

        Args:
            trainer: The cell's ``trainer`` config.

        Raises:
            AutoALError: If one machine, or this pool, has not got what it asks for.
        """
        if trainer.get("strategy") not in MULTI_PROCESS_STRATEGIES:
            return 1
        if int(trainer.get("num_nodes") or 1) > 1:
            raise AutoALError(
                f"hydra/launcher=local_pool is one machine, and trainer.num_nodes={trainer.get('num_nodes')}; "
                "use hydra/launcher=slurm"
            )
        devices = trainer.get("devices")
        on_gpus = bool(self.gpus) and trainer.get("accelerator") != "cpu"
        if on_gpus and isinstance(devices, Sequence) and not isinstance(devices, str):
            raise AutoALError(
                f"hydra/launcher=local_pool hands out the GPUs itself: give their number, trainer.devices="
                f"{len(devices)}, and which ones by hydra.launcher.devices"
            )
        count = len(self.gpus) if on_gpus and str(devices) in ("auto", "-1") else local_devices(trainer)
        if on_gpus and count > len(self.gpus):
            raise AutoALError(
                f"trainer.devices={devices}, but hydra/launcher=local_pool has {len(self.gpus)} GPUs"
            )
        return count

    def take(self, count: int) -> list[str] | None:
        """Take GPUs for a cell, those that are used least.

        Args:
            count: How many it needs.

        Returns:
            Their numbers; None: wait for another cell to end. Empty without GPUs.
        """
        if not self.gpus:
            return []
        free = sorted((g for g in self.gpus if self._used[g] < self._share), key=lambda g: self._used[g])
        if len(free) < count:
            return None
        self._used.update(free[:count])
        return free[:count]

    def give_back(self, gpus: Sequence[str]) -> None:
        """Give back what :meth:`take` returned."""
        self._used.subtract(gpus)

    def environment(self, gpus: Sequence[str], count: int) -> dict[str, str]:
        """Return what a cell's environment says of its devices.

        Args:
            gpus: Its GPUs.
            count: Its processes.
        """
        threads = self._threads if gpus else max(1, self._threads // count)
        env = {"OMP_NUM_THREADS": str(threads)}
        if gpus:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        return env


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, without initialising any."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is not None:
        return [d for d in wanted.split(",") if d.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(i) for i, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]
