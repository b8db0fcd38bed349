"""A real Label Studio server for the tests, in an environment of its own, on SQLite.

The first test installs it, which takes minutes and about 1 GB below the user's cache folder; where that fails or
takes too long, the tests skip with the reason. ``AUTOAL_LABEL_STUDIO`` names an installed program instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from functools import cache
from pathlib import Path

import pytest

VERSION = "1.23.2"
TIME_TO_INSTALL = 300
TIME_TO_START = 300
KEY = "0123456789abcdef0123456789abcdef01234567"
USER, PASSWORD = "ann@example.org", "a-long-password-1"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / f"autoal-tests/label-studio-{VERSION}"


@cache
def installed() -> tuple[Path, str]:
    """Return the installed program, and why there is none; empty: it is there."""
    given = os.environ.get("AUTOAL_LABEL_STUDIO")
    if given:
        return Path(given), ""
    program, whole = CACHE / "bin" / "label-studio", CACHE / ".whole"
    if whole.exists():
        return program, ""
    shutil.rmtree(CACHE, ignore_errors=True)
    end = time.monotonic() + TIME_TO_INSTALL
    pip = [str(CACHE / "bin" / "pip"), "install", "-q", "--no-compile", f"label-studio=={VERSION}"]
    for words in ([sys.executable, "-m", "venv", str(CACHE)], pip):
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=max(1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            shutil.rmtree(CACHE, ignore_errors=True)
            return program, f"label-studio=={VERSION} did not install within {TIME_TO_INSTALL} s"
        except (subprocess.CalledProcessError, OSError) as error:
            said = getattr(error, "stderr", None) or b""
            return program, f"label-studio=={VERSION} does not install: {said.decode()[-300:] or error}"
    whole.touch()
    return program, ""


def executable() -> Path:
    """Return the installed program; installs it once, or skips the test with the reason."""
    program, missing = installed()
    if missing:
        pytest.skip(missing)
    return program


class Studio:
    """A server with one user, and a folder below which it reads files.

    Args:
        data: Its own data.
        root: The folder below which it reads files.
    """

    def __init__(self, data: Path, root: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}", data.with_suffix(".log")
        own = {
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root),
        }
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | own
        words = ["start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
        words += ["--data-dir", str(data), "--username", USER, "--password", PASSWORD]
        words += ["--user-token", KEY, "--enable-legacy-api-token"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(executable()), *words], stdout=out, stderr=out, env=env, start_new_session=True
            )
        self._wait()

    @classmethod
    def begin(cls, data: Path, root: Path) -> Studio:
        """Start a server with an empty database; its tables, which take minutes to make, are made once."""
        executable()
        made = CACHE / "migrated"
        if not made.exists():
            making = CACHE / "migrating"
            shutil.rmtree(making, ignore_errors=True)
            making.parent.mkdir(parents=True, exist_ok=True)
            cls(making, root).close()
            making.rename(made)
        shutil.copytree(made, data)
        return cls(data, root)

    def _wait(self) -> None:
        end = time.monotonic() + TIME_TO_START
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.5)
        self.close()
        said = self.log.read_text(encoding="utf-8", errors="replace")[-1500:]
        pytest.skip(f"label-studio did not start within {TIME_TO_START} s: {said}")

    def close(self) -> None:
        """End the server and its children."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
