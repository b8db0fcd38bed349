"""One cell of a sweep in a process of its own: ``python -m autoal.sweeps.process JOB``, for the local pool."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.singleton import Singleton
from hydra.core.utils import JobStatus, run_job, setup_globals

from autoal.processes.orphans import end_with
from autoal.processes.signals import EXIT_INTERRUPTED, leave_until_ready

GRACE = 120.0
"""Seconds that a cell may take to save after the launcher has died."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cell; what ended it is left beside the job file.

    Args:
        argv: The job file and the launcher's process id; default: the command line's.
    """
    leave_until_ready()
    file, parent = sys.argv[1:] if argv is None else argv
    end_with(int(parent), GRACE)
    path = Path(file)
    # Written by the launcher into a folder of its own a moment ago.
    context, task, config, singletons = pickle.loads(path.read_bytes())
    Singleton.set_state(singletons)
    setup_globals()
    try:
        result = run_job(
            hydra_context=context,
            task_function=task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # saved; Python itself would end as if killed by the signal
    if result.status == JobStatus.COMPLETED:
        return 0
    error = str(result._return_value)
    print(f"error: {error}", file=sys.stderr)
    path.with_suffix(".error").write_text(json.dumps(error), encoding="utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main())
