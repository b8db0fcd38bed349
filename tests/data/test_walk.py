"""The walk of docs/data.md: from a folder of files and a partial CSV to a finished run, as it is printed there."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.formats import save_image

N = 60


def birds(folder: Path) -> None:
    """Two kinds of birds, told apart by brightness, in photographs of different sizes; a sixth unlabelled."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = []
    for i in range(N):
        name, level = (("heron", 60), ("duck", 180))[i % 2]
        image = rng.integers(level - 40, level + 40, (40 + i % 3, 50, 3)).astype(np.uint8)
        save_image(folder / "photos" / f"{i:04d}.jpg", image)
        rows.append([f"photos/{i:04d}.jpg", "" if i % 6 == 5 else name])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows])


def commands(root: Path) -> list[list[str]]:
    """The commands under "Your own images", run by this interpreter from this checkout."""
    text = (root / "docs" / "data.md").read_text(encoding="utf-8")
    section = text[text.index("## Your own images") : text.index("## Your own tables")]
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    words = [line.split() for block in blocks for line in block.replace("\\\n", " ").strip().splitlines()]
    start = {"autoal": [sys.executable, "-m", "autoal.commands.main"], "python": [sys.executable]}
    return [[*start[line[0]], *(str(root / w) if w == "train.py" else w for w in line[1:])] for line in words]


@pytest.mark.slow
def test_the_documented_walk_ends_in_a_finished_run(root: Path, tmp_path: Path) -> None:
    birds(tmp_path / "birds")
    walk = [command for command in commands(root) if any("birds" in word for word in command)]
    assert len(walk) == 2
    outputs = [
        subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for command in walk
    ]
    assert [o.returncode for o in outputs] == [0, 0], [o.stderr[-2000:] for o in outputs]
    # About a fifth of the 50 labelled images is the test set, by their paths; the unlabelled stay.
    assert "51 train, 9 test; 2 classes; samples 3x32x32" in outputs[0].stdout
    run = tmp_path / "runs" / "birds"
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["status"], summary["dataset"], summary["n_labeled"]) == ("finished", "birds", 30)
    ledger = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    assert len({line["id"] for line in ledger}) == 30
    assert {line["label"] for line in ledger} == {0, 1}
    with (run / "rounds.csv").open() as file:
        assert [row["n_labeled"] for row in csv.DictReader(file)] == ["10", "20", "30"]
