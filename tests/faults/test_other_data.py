"""A resume knows its data: another data set and an edited ledger are refused, naming what does not fit."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults import lives
from tests.faults.lives import Fault

AHEAD = Fault("autoal.rundir.ledger:Ledger.append", 3, "kill_after")
"""Dies with 41 labels in the ledger, 31 of them in the checkpoint's pool."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("killed") / "run"
    assert lives.live(lives.config("strategy=margin"), run_dir, faults=[AHEAD]) == -signal.SIGKILL
    assert len(lives.bought(run_dir)) == 41
    return run_dir


def edit(line: dict[str, Any], key: str) -> None:
    if key == "label":
        line["label"] = (line["label"] + 1) % 10
    else:
        line[key] = {"round": line["round"] + 1, "source": "init", "strategy": "badge"}[key]


@pytest.mark.parametrize("number", [5, 36], ids=["in the checkpoint", "ahead of it"])
@pytest.mark.parametrize("key", ["label", "round", "source", "strategy"])
def test_an_edited_ledger_is_refused_with_its_line(killed: Path, tmp_path: Path, number: int, key: str) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(killed, run_dir)
    ledger = run_dir / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    if (number, key) == (5, "source"):
        lines[number - 1]["source"] = "query"
    else:
        edit(lines[number - 1], key)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    ledger.write_text(text)
    assert lives.live(lives.config("strategy=margin"), run_dir, resume=True) == 1
    what = (
        f"sample {lines[number - 1]['id']} has another label"
        if key == "label"
        else f"{key} {lines[number - 1][key]!r}"
    )
    assert f"error: {ledger} line {number}: {what}" in lives.log_of(run_dir)
    assert ledger.read_text() == text, "nothing is bought"


def line(**change: Any) -> str:
    """Return a line that would fit, but for what changes."""
    fits = {"round": 3, "id": 0, "label": 1, "strategy": "margin", "score": 0.5, "source": "query", "time": ""}
    return json.dumps({**fits, **change})


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (line(id=99999), "line 42: sample 99999 is outside the pool of 1200 samples"),
        (line(id=10**30), "line 42 is not a ledger line: round, id and label are whole numbers"),
        (line(id=True), "line 42 is not a ledger line: round, id and label are whole numbers"),
        (line(score="high"), "line 42 is not a ledger line: score is a number or null"),
        (line(source="gift"), "line 42 is not a ledger line: source is one of init, query, val"),
        ('{"round": 3, "id": 3}', "line 42 is not a ledger line: missing"),
        ("[1, 2]", "line 42 is not a ledger line"),
        ("{}, {}", "line 42 is not a ledger line"),
        ("", "line 42 is not a ledger line"),
    ],
)
def test_a_line_that_is_none_is_named(killed: Path, tmp_path: Path, added: str, message: str) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(killed, run_dir)
    with (run_dir / "ledger.jsonl").open("a") as file:
        file.write(added + "\n")
    assert lives.live(lives.config("strategy=margin"), run_dir, resume=True) == 1
    assert message in lives.log_of(run_dir)
    assert "Traceback" not in lives.log_of(run_dir)


def features(path: Path, seed: int, change: Callable[[dict[str, Any]], None] = lambda arrays: None) -> None:
    rng = np.random.default_rng(seed)
    arrays = {"train_features": rng.normal(size=(200, 5)).astype("float32"), "train_labels": np.arange(200) % 3}
    arrays |= {"test_features": rng.normal(size=(60, 5)).astype("float32"), "test_labels": np.arange(60) % 3}
    change(arrays)
    np.savez(path, **arrays)


def unbought_label(arrays: dict[str, Any]) -> None:
    arrays["train_labels"][:] = np.roll(arrays["train_labels"], 3)
    arrays["train_labels"][-1] = 0


@pytest.mark.parametrize("without_checkpoint", [False, True])
def test_another_file_of_the_same_shape_is_refused(tmp_path: Path, without_checkpoint: bool) -> None:
    path, run_dir = tmp_path / "mine.npz", tmp_path / "run"
    features(path, seed=0)
    cfg = lives.config("strategy=margin", "dataset=features", f"dataset.path='{path}'")
    step = Fault("autoal.training.lit:LitClassifier.training_step", 20, "kill")
    assert lives.live(cfg, run_dir, faults=[step]) == -signal.SIGKILL
    if without_checkpoint:
        shutil.rmtree(run_dir / "checkpoints")
    before = (run_dir / "ledger.jsonl").read_text()
    for other in (lambda: features(path, seed=1), lambda: features(path, 0, unbought_label)):
        other()
        assert lives.live(cfg, run_dir, resume=True) == 1
        assert f"error: {run_dir} was started with other data" in lives.log_of(run_dir)
        assert (run_dir / "ledger.jsonl").read_text() == before
    features(path, seed=0)
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)


def test_a_repeated_query_that_differs_is_said(killed: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(killed, run_dir)
    ledger = run_dir / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    taken = {line["id"] for line in lines}
    from autoal.data.digits import Digits

    targets = Digits().load(Path("data"))["train"].targets
    other = next(i for i in range(1200) if i not in taken and int(targets[i]) == lines[35]["label"])
    lines[35]["id"] = other
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert lives.live(lives.config("strategy=margin"), run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert "round 2: the repeated query chose other samples than the ledger holds" in lives.log_of(run_dir)
    bought = lives.bought(run_dir)
    assert len({i for _, i in bought}) == len(bought) == 51, "no sample is bought twice"
