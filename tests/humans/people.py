"""A folder of digits, a tiny experiment on it, and a scripted person who knows the answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from autoal.humans.answers import Desk
from autoal.humans.queries import Asked
from autoal.run.experiment import Experiment
from tests.composed import plain
from tests.faults.lives import predictions

CLASSES = [f"digit {i}" for i in range(10)]


def write_digits(folder: Path, n: int = 240) -> dict[str, str]:
    """Write images without labels; returns the truth, by path."""
    digits = load_digits()
    truth = {}
    for i in range(n):
        name = f"part {i % 2}/{i:04d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[i] * 15).astype(np.uint8)).resize((16, 16)).save(folder / name)
        truth[name] = CLASSES[int(digits.target[i])]
    return truth


def write_manifest(folder: Path, truth: dict[str, str], name: str = "labels.csv") -> None:
    """Write the truth as a manifest."""
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label"), *sorted(truth.items())])


def config(folder: Path, *overrides: str) -> dict[str, Any]:
    """Compose the tiny experiment on a folder."""
    words = [
        "dataset=image_folder",
        f"dataset.path={folder}",
        f"dataset.class_names=[{','.join(CLASSES)}]",
        "dataset.augment=[]",
        "dataset.channels=1",
        "dataset.test_share=0",
        "backbone=mlp",
        "backbone.hidden=[16]",
        "loop.n_init=20",
        "loop.n_query=10",
        "loop.n_rounds=2",
        "loop.epochs=3",
        "loop.stop_train_acc=null",
        "loop.n_val=6",
        "trainer=cpu",
        *overrides,
    ]
    return plain(*words)


def run(cfg: dict[str, Any], run_dir: Path, resume: bool = False) -> dict[str, Any]:
    """Run one part of a run; returns its summary."""
    return Experiment.build(cfg, run_dir, resume=resume).run(resume)


def answer_all(
    run_dir: Path, truth: dict[str, str], say: Callable[[Asked], dict[str, Any]] | None = None, who: str = "ann"
) -> int:
    """Answer what is open, once; returns how many answers were given."""
    desk = Desk(run_dir)
    standing = desk.latest()
    assert standing is not None
    answers = [
        {"id": a.id, "annotator": who, "seconds": 2.0, **(say(a) if say else {"label": truth[a.id]})}
        for a in standing.open
    ]
    return desk.take(answers)


def run_with_person(cfg: dict[str, Any], run_dir: Path, answer: Callable[[], Any]) -> dict[str, Any]:
    """Run to the end, with somebody who answers every query."""
    summary = run(cfg, run_dir)
    while summary["status"] == "waiting":
        answer()
        summary = run(cfg, run_dir, resume=True)
    return summary


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def outcome(run_dir: Path) -> dict[str, Any]:
    """Return what must not depend on who answered: ledger, rounds, weights."""
    ledger = [{k: v for k, v in line.items() if k != "time"} for line in lines(run_dir / "ledger.jsonl")]
    with (run_dir / "rounds.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    of_people = ("seconds", "people")
    state = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {
        "ledger": ledger,
        "rounds": [{k: v for k, v in row.items() if not k.startswith(of_people)} for row in rows],
        "weights": {k: v.tolist() for k, v in state.items() if isinstance(v, torch.Tensor)},
        "predictions": predictions(run_dir),
    }


def ids(items: Iterable[Asked]) -> list[str]:
    """Return the ids of items."""
    return [a.id for a in items]
