"""The end of a run: its last summary, the listeners, the directory, the traceback, and what a person reads."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from autoal.errors import AutoALError
from autoal.loggers.base import RunListener
from autoal.loop.view import PlainView
from autoal.processes.signals import StopRequest
from autoal.rundir.directory import RunDir

log = logging.getLogger(__name__)


def keep_traceback(run_dir: RunDir, error: BaseException) -> None:
    """Write what nobody expected into ``train.log`` and say in a note of the error that it is there."""
    if isinstance(error, AutoALError | KeyboardInterrupt):
        return
    try:
        with run_dir.log_file.open("a", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return
    error.add_note(f"the traceback is in {run_dir.log_file}")


def close(
    run_dir: RunDir,
    summarise: Callable[[], Mapping[str, Any]],
    view: PlainView,
    listeners: Sequence[RunListener],
    stop: StopRequest,
    main: bool,
    failed: bool,
) -> dict[str, Any]:
    """Write the last summary, tell the listeners and give the directory up, whatever else goes wrong.

    Args:
        run_dir: The run's directory.
        summarise: Makes the summary.
        view: What a person sees; it stops.
        listeners: Told the summary.
        stop: The stop signals; they go back to whom they came from.
        main: Whether this is the process that writes files.
        failed: Whether an error ends the run already, which a second one must not hide.

    Returns:
        The summary; empty if it could not be made.

    Raises:
        AutoALError: If the summary of a run that has not failed can't be written.
    """
    said: dict[str, Any] = {}
    problems: list[Exception] = []

    def write() -> None:
        said.update(summarise())
        if main:
            run_dir.write_summary(said)

    with stop.closing():
        _attempt(write, problems)
    stop.restore()
    unwritten = list(problems)
    _attempt(view.stop, problems)
    if main:
        for listener in listeners:
            _attempt(partial(listener.finish, said), problems)
        _attempt(run_dir.release, problems)
    if unwritten and not failed:
        raise unwritten[0]
    for problem in problems:
        # A full disk fails twice; the first error is the one that ends the run.
        log.warning("%s", problem)
    return said


def farewell(
    run_dir: RunDir, view: PlainView, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]
) -> None:
    """Show a person what a finished run came to and where its files are."""
    best = f"final accuracy {100 * summary['final_acc']:.2f}%" if summary["final_acc"] is not None else ""
    area = f", AUBC {100 * summary['aubc']:.2f}%" if summary["aubc"] is not None else ""
    lines = [f"{best}{area}", f"learning curve  {run_dir.curve_png}", f"run directory   {run_dir.path}"]
    view.finish(rows, lines)


def _attempt(step: Callable[[], object], problems: list[Exception]) -> None:
    """Take a step of the end; an error is kept, so that the next step is taken too."""
    try:
        step()
    except Exception as error:
        problems.append(error)
