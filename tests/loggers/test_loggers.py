"""W&B offline files and TensorBoard events are read back and hold what dashboards need."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch.optim.optimizer import register_optimizer_step_pre_hook

from autoal.errors import AutoALError
from autoal.loggers.base import BoughtBatch, RunInfo
from autoal.loggers.build import build_loggers
from autoal.loggers.wandb import WandbLogger, default_mode, run_id
from autoal.run.experiment import Experiment

TINY = [
    "loop.n_init=20",
    "loop.n_query=10",
    "loop.n_rounds=2",
    "loop.epochs=3",
    "strategy=margin",
    "trainer=cpu",
]


def records(path: Path) -> Iterator[Any]:
    """Parse a ``.wandb`` file: a LevelDB log (blocks of 32 KiB, CRC/length/type headers) of protobuf records."""
    from wandb.proto import wandb_internal_pb2 as pb

    data, block, at, parts = path.read_bytes(), 32768, 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        if kind == 0 or at + 7 + length > len(data):
            return
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = pb.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def written(path: Path) -> list[Any]:
    """Return the records of an ended run; W&B's service writes them a moment after ``finish`` has returned."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        found = list(records(path))
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} never got its end")


def run_tiny(root: Path, run_dir: Path, *overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("train", overrides=[*TINY, *overrides])
    return Experiment.build(config, run_dir).run()


def history(run_dir: Path) -> tuple[set[str], list[dict[str, Any]], dict[str, Any], list[Any]]:
    """Return ids, logged rows, config and all records of the ended W&B runs in a run directory."""
    ids, rows, config, everything = set(), [], {}, []
    for path in sorted((run_dir / "wandb").glob("offline-run-*/*.wandb")):
        for record in written(path):
            everything.append(record)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                ids.add(record.run.run_id)
                config.update({u.key: json.loads(u.value_json) for u in record.run.config.update})
            if kind == "history":
                items = {("/".join(i.nested_key) or i.key): json.loads(i.value_json) for i in record.history.item}
                rows.append(items)
    return ids, rows, config, everything


def test_wandb_offline_run_holds_the_experiment(root: Path, tmp_path: Path) -> None:
    summary = run_tiny(root, tmp_path / "run", "logger=[csv,wandb]", "logger.wandb.mode=offline")
    ids, rows, config, everything = history(tmp_path / "run")
    assert ids == {run_id(tmp_path / "run")}
    assert config["dataset"]["name"] == "digits"
    assert config["recipe"] == summary["recipe"]
    curve = [(r["n_labeled"], r["round/test_acc"]) for r in rows if "round/test_acc" in r]
    assert [n for n, _ in curve] == [20, 30, 40]
    assert curve[-1][1] == pytest.approx(summary["final_acc"])
    assert [r["bought/samples/nrows"] for r in rows if "bought/samples/nrows" in r] == [10, 10]
    assert any("epochs/round_001/train_acc" in r for r in rows)
    run = next(r.run for r in everything if r.WhichOneof("record_type") == "run")
    assert summary["recipe"] in run.run_group
    assert {"digits", "mlp", "margin"} <= set(run.tags)
    metrics = {
        (r.metric.name or r.metric.glob_name): r.metric.step_metric for r in everything if r.HasField("metric")
    }
    assert metrics["round/*"] == "n_labeled"
    assert any(r.WhichOneof("record_type") == "artifact" and r.artifact.type == "ledger" for r in everything)


def test_wandb_goes_on_in_the_same_run_after_a_resume(tmp_path: Path) -> None:
    config = {"dataset": {"name": "digits"}, "backbone": {"name": "mlp"}}
    for resumed in (False, True):
        time.sleep(1.1)  # W&B names the folders of offline parts by the second
        logger = WandbLogger(mode="offline")
        logger.start(RunInfo(tmp_path, config, "abc", "margin", 0, ("a", "b"), resumed))
        logger.round([{"round": int(resumed), "n_labeled": 20 + 10 * resumed, "test_acc": 0.5, "val_acc": None}])
        logger.finish(
            dict.fromkeys(("final_acc", "aubc", "n_labeled", "seconds", "recipe"), 1) | {"status": "finished"}
        )
    ids, rows, _, everything = history(tmp_path)
    assert len(ids) == 1
    assert [r["n_labeled"] for r in rows if "n_labeled" in r] == [20, 30]
    runs = [r.run for r in everything if r.WhichOneof("record_type") == "run"]
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2
    assert {r.run_id for r in runs} == ids


def test_wandb_is_offline_unless_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert default_mode() is None
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr("wandb.login", lambda prompt: False)
    assert default_mode() == "offline"
    monkeypatch.setattr("wandb.login", lambda prompt: True)
    assert default_mode() == "online"


def test_tensorboard_has_the_same_names(root: Path, tmp_path: Path) -> None:
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    summary = run_tiny(root, tmp_path / "run", "logger=[csv,tensorboard]")
    reader = event.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    reader.Reload()
    curve = reader.Scalars("round/test_acc")
    assert [p.step for p in curve] == [20, 30, 40]
    assert curve[-1].value == pytest.approx(summary["final_acc"])
    assert "epochs/round_001/train_acc" in reader.Tags()["scalars"]
    assert "seconds/train" in reader.Tags()["scalars"]
    assert "bought/samples" in reader.Tags()["images"]


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
    logged = [[p.value for p in reader.Scalars(f"epochs/round_{r:03d}/lr")] for r in range(3)]
    assert logged == [pytest.approx([0.01, 0.01, 0.001])] * 3
    # Rounds of 20, 30 and 40 labels in batches of 32, three epochs each: 1, 1 and 2 steps per epoch.
    assert [lr for r in logged for lr in r] == pytest.approx([*used[:3], *used[3:6], *used[6::2]])


def test_tables_and_features_are_logged_without_images(tmp_path: Path) -> None:
    config = {"dataset": {"name": "t"}, "backbone": {"name": "mlp"}}
    logger = WandbLogger(mode="offline")
    logger.start(RunInfo(tmp_path, config, "abc", "margin", 0, ("a", "b"), False))
    ids = torch.arange(3)
    logger.bought(BoughtBatch(1, ids, ids % 2, ids % 2, ids.double(), lambda i: torch.zeros(len(i), 7)))
    logger.finish(
        {"status": "failed", "final_acc": None, "aubc": None, "n_labeled": 0, "seconds": 1, "recipe": "abc"}
    )
    _, rows, _, everything = history(tmp_path)
    assert [r["bought/samples/nrows"] for r in rows if "bought/samples/nrows" in r] == [3]
    exits = [r.exit.exit_code for r in everything if r.WhichOneof("record_type") == "exit"]
    assert exits == [1]


def test_unknown_logger() -> None:
    with pytest.raises(AutoALError, match="Did you mean 'wandb'"):
        build_loggers({"wandbb": {}})
