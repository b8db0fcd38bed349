"""A process that runs cells of a study one after the other: ``python -m autoal.run.study_worker PARENT``.

It reads one JSON object per line, ``{"overrides": [...], "run_dir": "..."}``, and answers each with one.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import IO, Any

from autoal.processes.orphans import end_with
from autoal.processes.signals import EXIT_INTERRUPTED, leave_until_ready

GRACE = 120.0
"""Seconds that a cell may take to save after the study has died."""


def main() -> int:
    """Run what is asked for until nothing is."""
    leave_until_ready()
    end_with(int(sys.argv[1]), GRACE)
    # What libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from autoal.run.study_cell import CellRunner

    gc.collect()
    gc.freeze()  # what is imported stays, so that collecting after each cell has little to look at
    runner = CellRunner()
    for line in sys.stdin:
        code = _answer(runner, json.loads(line), answers)
        if code is not None:
            return code
    return 0


def _answer(runner: Any, job: dict[str, Any], answers: IO[str]) -> int | None:
    """Run one cell and say how it ended; returns the exit status if the process was told to stop."""
    start = time.monotonic()
    code: int | None = None
    try:
        summary = runner.run(job["overrides"], Path(job["run_dir"]))
        said = {"status": summary["status"], "final_acc": summary["final_acc"], "aubc": summary["aubc"]}
    except (KeyboardInterrupt, SystemExit) as error:
        said = {"status": "stopped"}
        code = int(error.code or 0) if isinstance(error, SystemExit) else EXIT_INTERRUPTED
    except Exception as error:  # whatever it is, the other cells can run
        said = {"status": "failed", "message": str(error) or type(error).__name__}
    answers.write(json.dumps({**said, "seconds": time.monotonic() - start}) + "\n")
    answers.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
