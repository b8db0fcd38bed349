"""A scripted person for the page on labelling: answers what a run asks, until the run is finished.

``python -m tests.documented.person RUN``
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from autoal.humans.answers import Desk

PATIENCE = 1800


def main(run_dir: Path) -> None:
    """Look every half second whether something is asked, and answer as the stage drew it."""
    end = time.monotonic() + PATIENCE
    desk = Desk(run_dir)
    while time.monotonic() < end:
        standing = desk.latest()
        if standing is not None and standing.open:
            answers = [
                {"id": a.id, "label": ("heron", "duck")[int(Path(a.id).stem) % 2], "annotator": "script"}
                for a in standing.open
            ]
            desk.take(answers)
        summary = run_dir / "summary.json"
        if summary.exists() and json.loads(summary.read_text(encoding="utf-8"))["status"] == "finished":
            return
        time.sleep(0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
