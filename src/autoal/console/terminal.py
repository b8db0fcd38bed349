"""Writing to a terminal or a pipe that may go away: no reason to end an experiment of many hours."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import IO, Any, TextIO, cast

log = logging.getLogger(__name__)


class _Steady:
    """A stream whose reader may go away; from then on what is written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._gone(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._gone(error)

    def _gone(self, error: Exception) -> None:
        log.info("nobody reads what the run prints any more (%s); it goes on", error)
        try:
            # What is buffered still has to go somewhere when the process ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            self._stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  for the process's life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def steady(stream: TextIO) -> IO[str]:
    """Return a stream that writes to another as long as that can be written to.

    Args:
        stream: ``sys.stdout``, as a rule.
    """
    return cast(IO[str], _Steady(stream))


def say(text: str, stream: TextIO | None = None) -> None:
    """Print, if somebody can read it.

    Args:
        text: One or more lines.
        stream: Default: standard output.
    """
    print(text, file=steady(sys.stdout if stream is None else stream), flush=True)
