"""TensorBoard events are read back and hold the names of the W&B dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from autoal.errors import AutoALError
from autoal.loggers.build import build_loggers
from tests.loggers.offline import parts
from tests.loggers.tiny import run_tiny


@pytest.mark.slow
def test_tensorboard_has_the_same_names(root: Path, tmp_path: Path) -> None:
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    summary = run_tiny(root, tmp_path / "run", "logger=[csv,tensorboard]")
    reader = event.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    reader.Reload()
    curve = reader.Scalars("round/test_acc")
    assert [p.step for p in curve] == [20, 30, 40]
    assert curve[-1].value == pytest.approx(summary["final_acc"])
    assert [p.step for p in reader.Scalars("train/acc")] == list(range(1, 10))
    assert reader.Scalars("round/aubc")[-1].value == pytest.approx(summary["aubc"])
    assert reader.Tags()["images"] == ["round/bought"]
    assert reader.Tags()["histograms"] == ["round/classes"]
    run_tiny(root, tmp_path / "w", "logger=[csv,wandb]", "logger.wandb.mode=offline")
    (part,) = parts(tmp_path / "w")
    theirs = {key for row in part.rows for key in row if not key.startswith("_")}
    plain = {key for key in theirs if not key.startswith(("round/bought", "round/classes"))}
    assert set(reader.Tags()["scalars"]) == plain - {"train/epoch"}


def test_logged_learning_rate_is_the_one_that_trained_the_epoch(root: Path, tmp_path: Path) -> None:
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    used: list[float] = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        used.append(optimizer.param_groups[0]["lr"])

    handle = register_optimizer_step_pre_hook(note)
    try:
        schedule = ("optimizer.schedule=multistep", "optimizer.milestones=[2]", "optimizer.lr=0.01")
        run_tiny(root, tmp_path / "run", "logger=[csv,tensorboard]", "loop.stop_train_acc=null", *schedule)
    finally:
        handle.remove()
    del used[0]  # the step on a parameter of its own with which the recipe is checked
    reader = event.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    reader.Reload()
    rates = [p.value for p in reader.Scalars("train/lr")]
    logged = [rates[:3], rates[3:6], rates[6:]]
    assert logged == [pytest.approx([0.01, 0.01, 0.001])] * 3
    # Rounds of 20, 30 and 40 labels in batches of 32, three epochs each: 1, 1 and 2 steps per epoch.
    assert [lr for r in logged for lr in r] == pytest.approx([*used[:3], *used[3:6], *used[6::2]])


def test_unknown_logger() -> None:
    with pytest.raises(AutoALError, match="Did you mean 'wandb'"):
        build_loggers({"wandbb": {}})
