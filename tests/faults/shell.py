"""The real command line, as a person types it into a shell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import lives

PRINTED = re.compile(r"^whatever ends it, continue with: (.*)$", re.MULTILINE)

WHERE = re.compile(r"^run directory (.*)$", re.MULTILINE)


@dataclass
class Life:
    """One process that a shell has started, and what it has printed."""

    process: subprocess.Popen[bytes]
    log: Path
    born: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8")

    @property
    def run_dir(self) -> Path:
        """The run directory, as it was printed."""
        return Path(WHERE.findall(self.text)[0])

    def wait_for_start(self, limit: float = 300) -> bool:
        """Wait until it has claimed its directory or has ended; returns whether it lives."""
        end = time.monotonic() + limit
        while self.process.poll() is None and not PRINTED.search(self.text):
            assert time.monotonic() < end, self.text
            time.sleep(0.02)
        return self.process.poll() is None

    def kill(self) -> bool:
        """Kill it and whatever it has started; returns whether it still lived."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(60) == -signal.SIGKILL


class Shell:
    """Runs commands as a person in a folder would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        # From here the commands read as they do in a checkout.
        for name in ("train.py", "conf"):
            (folder / name).symlink_to(lives.ROOT / name)
        # An activated environment: python is the one of the tests.
        self._env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        self._lives = 0

    def run(self, command: str, env: Mapping[str, str] | None = None) -> Life:
        """Start a command, which writes what it prints into a file of its own."""
        self._lives += 1
        log = self.folder / f"life{self._lives}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env={**self._env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Life(process, log)


def completed(path: Path) -> str:
    """Return a path as a shell's completion writes it."""
    return re.sub(r"([^\w/.-])", r"\\\1", str(path))
