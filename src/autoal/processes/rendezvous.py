"""Where the ranks of an experiment find each other: a port that is bound before anybody is told of it."""

from __future__ import annotations

import os
import socket
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

from autoal.errors import AutoALError

LISTENER = "AUTOAL_LISTENER"
"""Environment variable: the open socket that rank 0 has from the process that started it."""

FIRST_PORT, PORTS = 20000, 12000
"""Ports for jobs on several machines, below those that systems give to outgoing connections."""


def step_name(env: Mapping[str, str]) -> str:
    """Return a name of this SLURM step that no other step, job or restart has.

    Example:
        >>> step_name({"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "0", "SLURM_RESTART_COUNT": "2"})
        '17.0.2'
    """
    return f"{env['SLURM_JOB_ID']}.{env.get('SLURM_STEP_ID', 'batch')}.{env.get('SLURM_RESTART_COUNT', '0')}"


def port_of_step(env: Mapping[str, str]) -> int:
    """Return the port of a SLURM step on several machines: ``MASTER_PORT``, or one that follows from its name.

    Machines can't ask each other before they have a port, so this one is the same everywhere without asking.
    """
    given = env.get("MASTER_PORT")
    return int(given) if given else FIRST_PORT + zlib.crc32(step_name(env).encode()) % PORTS


def listen(address: str) -> socket.socket:
    """Return a socket that listens on a free port of an address."""
    family = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((address, 0), family=family)


def inherited() -> int | None:
    """Return the listening socket that rank 0 was started with, once; None: there is none."""
    handle = os.environ.pop(LISTENER, None)
    return None if handle is None else int(handle)


class Noticeboard:
    """Where the tasks of a SLURM step on one machine read the port that rank 0 listens on.

    Args:
        env: The environment of a task.
        folder: Of this machine; default the one for temporary files.
    """

    def __init__(self, env: Mapping[str, str], folder: Path | None = None) -> None:
        name = f"autoal-{os.getuid()}-{step_name(env)}.port"
        self.path = (folder or Path(tempfile.gettempdir())) / name

    def write(self, port: int) -> None:
        """Say the port.

        Raises:
            AutoALError: If the file can't be written.
        """
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            # A file of our own making: nothing that lies there already, be it a link, is written through.
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(str(port))
            draft.replace(self.path)
        except OSError as error:
            raise AutoALError(f"rank 0 can't tell the other tasks its port: {error}") from error

    def read(self, timeout: float) -> int:
        """Wait for the port.

        Args:
            timeout: Seconds.

        Raises:
            AutoALError: If nobody has said it by then.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if self.path.lstat().st_uid == os.getuid():
                    return int(self.path.read_text())
            except (OSError, ValueError):
                pass
            time.sleep(0.1)
        raise AutoALError(
            f"rank 0 of this SLURM step did not say within {timeout:.0f} s where it listens ({self.path})"
        )

    def clear(self) -> None:
        """Take the port away again."""
        self.path.unlink(missing_ok=True)
