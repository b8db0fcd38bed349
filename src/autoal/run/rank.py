"""One rank of an experiment: ``python -m autoal.run.rank JOB``, started by :mod:`autoal.processes.launch`."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autoal.config.command_line import in_one_line
from autoal.errors import AutoALError
from autoal.processes.launch import Job
from autoal.processes.orphans import end_with
from autoal.processes.signals import EXIT_INTERRUPTED, leave_until_ready


def main(argv: Sequence[str] | None = None) -> int:
    """Run this rank's part; returns the exit status.

    Args:
        argv: The job file; default: the command line's.
    """
    leave_until_ready()
    path = Path((sys.argv[1:] if argv is None else argv)[0])
    job = Job(**json.loads(path.read_text(encoding="utf-8")))
    end_with(job.parent)
    try:
        summary = _run(job, lambda line, speaking: _report(path, {"error": line, "explained": False}))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as end:
        # A stop that has been saved. Passed on, it would take the interpreter's own way out, which may never end
        # where the peers are gone, and on which no thread is left to end it.
        return end.code if isinstance(end.code, int) else 1
    except AutoALError as error:
        from autoal.run.lost import LostRank  # it imports torch

        _report(path, {"error": str(error), "explained": not isinstance(error, LostRank)})
        return 1
    except Exception as error:
        if not getattr(error, "__notes__", None):
            traceback.print_exc()  # it has not got as far as the run's log
        _report(path, {"error": in_one_line(error), "explained": False})
        return 1
    _report(path, {"summary": summary})
    return 0


def _run(job: Job, on_lost: Callable[[str, bool], None]) -> dict[str, Any]:
    from autoal.logs import quiet
    from autoal.run.experiment import Experiment  # after the parent is watched: the import takes seconds

    quiet()
    built = Experiment.build(job.config, Path(job.run_dir), job.overrides, job.resume, job.trust)
    built.on_lost = on_lost
    return built.run(job.resume)


def _report(job_file: Path, report: dict[str, Any]) -> None:
    rank = os.environ["LOCAL_RANK"]
    try:
        job_file.with_name(f"rank{rank}.json").write_text(json.dumps(report), encoding="utf-8")
    except OSError:
        traceback.print_exc()  # the supervisor is gone, and its folder with it


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: tearing down a process group whose peers are gone may never return.
    os._exit(status)
