"""What W&B leaves in a run directory: the run's id, its last step, and parts that wait for their upload."""

from __future__ import annotations

import os
import shlex
import ssl
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoal.files import atomic_open


def run_id(run_dir: Path) -> str:
    """Return the W&B id of a run directory, made on the first call."""
    path = run_dir / "wandb_id"
    if not path.exists():
        with atomic_open(path) as file:
            file.write(uuid.uuid4().hex[:12])
    return path.read_text(encoding="utf-8").strip()


class StepCounter:
    """Counts W&B's steps on from where an earlier part of the run stopped.

    Offline, W&B starts every part at step 0, and of two parts of one run the later upload would take the place
    of the earlier one. The number is written at every step, without waiting for the disk: whatever loses it
    loses W&B's own files too.

    Args:
        path: Where the last step is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._last = int(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._last = -1

    def at_least(self, step: int) -> None:
        """Go on from ``step`` if that is later: the server may know of steps that this directory does not."""
        self._last = max(self._last, step - 1)

    def next(self) -> int:
        """Return the next step."""
        self._last += 1
        self._path.write_text(f"{self._last}\n", encoding="utf-8")
        return self._last


def waiting_parts(run_dir: Path) -> list[Path]:
    """Return the folders of offline parts that have not been uploaded, oldest first."""
    parts = sorted((run_dir / "wandb").glob("offline-run-*"))
    return [part for part in parts if part.is_dir() and not any(part.glob("*.wandb.synced"))]


def upload_command(run_dir: Path, parts: str = "offline-run-*") -> str:
    """Return the command that uploads what this machine has of a run."""
    folder = shlex.quote(str(run_dir / "wandb"))
    return f"wandb sync {folder}/{parts}"


def effective_mode(mode: str | None) -> str:
    """Return the mode that W&B will take: the one asked for, else ``WANDB_MODE``, else by login.

    A machine that is not logged in works offline. The key is not checked, which would need the network.
    """
    import wandb

    mode = mode or os.environ.get("WANDB_MODE")
    if mode:
        return mode
    wandb.setup(wandb.Settings(silent=True))
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def check_reachable(seconds: float) -> None:
    """Ask W&B's server for anything at all; W&B itself tries for minutes, and holds the run's id meanwhile.

    Raises:
        OSError: If no connection comes about within so many seconds.
    """
    import wandb

    url = str(wandb.setup().settings.base_url)
    try:
        urllib.request.urlopen(url, timeout=seconds).close()
    except urllib.error.HTTPError:
        return  # an answer
    except OSError as error:
        cause = getattr(error, "reason", error)
        if not isinstance(cause, ssl.SSLError):  # certificates are W&B's own affair
            raise OSError(f"{url} can't be reached ({cause})") from error


@contextmanager
def staged_in(run_dir: Path) -> Iterator[None]:
    """Let W&B keep the files of artifacts and tables in the run directory until they are uploaded.

    It would keep them below the user's home, where the machine that uploads later may not find them. Where
    ``WANDB_DATA_DIR`` is set, that stays.
    """
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str((run_dir / "wandb").absolute())
    try:
        yield
    finally:
        os.environ.pop("WANDB_DATA_DIR", None)


def within(seconds: float, step: Callable[[], object]) -> None:
    """Take a step in a thread of its own and wait for it no longer than so many seconds.

    Raises:
        TimeoutError: If it has not ended by then; it is left to itself.
    """
    problems: list[BaseException] = []

    def take() -> None:
        try:
            step()
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=take, name="wandb-finish", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no end within {seconds:g} seconds")
    if problems:
        raise problems[0]
