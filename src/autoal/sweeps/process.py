"""One cell of a sweep in a process of its own: ``python -m autoal.sweeps.process JOB``, for the local pool."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.singleton import Singleton
from hydra.core.utils import JobStatus, run_job, setup_globals

from autoal.processes.signals import leave_until_ready


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cell and leave its result beside the job file.

    Args:
        argv: The job file; default: the command line's.
    """
    leave_until_ready()
    path = Path((sys.argv[1:] if argv is None else argv)[0])
    # Written by the launcher into a folder of its own a moment ago.
    context, task, config, singletons = pickle.loads(path.read_bytes())
    Singleton.set_state(singletons)
    setup_globals()
    result = run_job(
        hydra_context=context,
        task_function=task,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    failed = result.status != JobStatus.COMPLETED
    answer = {"error": str(result._return_value)} if failed else {"value": result.return_value}
    if failed:
        print(f"error: {answer['error']}", file=sys.stderr)
    path.with_suffix(".result").write_text(json.dumps(answer), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
