"""What bit-equality depends on besides config, data and seed: threads, instruction set, versions, devices.

Sums are cut into pieces by the number of threads and by the width of the CPU's registers, and rounding follows.
A resumed run therefore takes the number of threads it was started with; what it can't take it says.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from autoal.errors import AutoALError
from autoal.rundir.checkpoints import Found, find_checkpoint
from autoal.rundir.directory import RunDir
from autoal.rundir.state import read_summary

log = logging.getLogger(__name__)

KEYS = ("threads", "cpu_capability", "cpu", "torch", "device", "world_size")
"""What is recorded, in the checkpoint's stamp and, but for ``torch``, in the summary."""


def machine(device: str, world_size: int) -> dict[str, Any]:
    """Return what this process computes with.

    Args:
        device: Name of the GPU, or ``"cpu"``.
        world_size: Number of processes.
    """
    return {
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu": _cpu(),
        "torch": str(torch.__version__),  # a plain string, which a checkpoint may hold
        "device": device,
        "world_size": world_size,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def recorded(run_dir: RunDir) -> dict[str, Any]:
    """Return what the earlier part of a run computed with, as far as its files say."""
    summary = read_summary(run_dir.path) or {}
    if "threads" in summary:
        return {key: summary[key] for key in KEYS if key in summary}
    found = find_checkpoint(run_dir.checkpoint)
    said = {} if found is None else found.stamp.get("machine")
    return dict(said) if isinstance(said, Mapping) else {}


def take_threads(run_dir: RunDir) -> None:
    """Use as many threads as the earlier part of a run did, whatever ``OMP_NUM_THREADS`` says now."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threads, own = recorded(run_dir).get("threads"), torch.get_num_threads()
    if type(threads) is not int or not 1 <= threads <= 4096 or threads == own:
        return
    torch.set_num_threads(threads)
    threadpool_limits(threads)  # NumPy's and scikit-learn's
    log.info("%d threads, as the run was started with, instead of %d", threads, own)


def check_stamp(run_dir: RunDir, found: Found | None, own: Mapping[str, Any]) -> None:
    """Compare data set and machine with those of the run's earlier part.

    Args:
        run_dir: The run directory.
        found: The checkpoint to go on from; without one the summary tells.
        own: What this process would write into a checkpoint: ``data`` and ``machine``.

    Raises:
        AutoALError: If the data set is another one.
    """
    said = read_summary(run_dir.path) or {}
    stamp = {"data": said.get("data"), "machine": recorded(run_dir)} if found is None else found.stamp
    before, now = str(stamp.get("data") or ""), str(own["data"])
    # Fingerprints of different versions can't be compared.
    if before and before.partition(":")[0] == now.partition(":")[0] and before != now:
        raise AutoALError(
            f"{run_dir.path} was started with other data: samples, labels or their order have changed since "
            f"(fingerprint {before[:14]}, now {now[:14]})"
        )
    machine_before = stamp.get("machine")
    other = differences(machine_before if isinstance(machine_before, Mapping) else {}, own["machine"])
    if other:
        log.warning("from here on the run may differ in its last bits from an undisturbed one: %s", other)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Say in one line in what two machines differ, or return None.

    Args:
        before: What is recorded; keys that are missing are not compared.
        now: What this process computes with.

    Example:
        >>> differences({"threads": 1, "device": "cpu"}, {"threads": 1, "device": "cpu"})
        >>> differences({"threads": 1}, {"threads": 2})
        'threads 2 instead of 1'
    """
    parts = [f"{k} {now[k]} instead of {before[k]}" for k in now if k in before and before[k] != now[k]]
    return ", ".join(parts) or None
