"""W&B offline files are read back and hold what a dashboard needs; W&B never ends a run."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from autoal.data.build import build_dataset
from autoal.loggers.base import BoughtBatch, RunInfo
from autoal.loggers.wandb import WandbLogger
from autoal.loggers.wandb_parts import effective_mode, run_id, upload_command, waiting_parts
from tests.faults import lives
from tests.loggers.offline import parts
from tests.loggers.tiny import TINY, run_tiny


def test_wandb_offline_run_holds_the_experiment(root: Path, tmp_path: Path) -> None:
    summary = run_tiny(root, tmp_path / "run", "logger=[csv,wandb]", "logger.wandb.mode=offline")
    (part,) = parts(tmp_path / "run")
    assert part.id == run_id(tmp_path / "run")
    assert part.config["dataset"]["name"] == "digits"
    assert part.config["recipe"] == summary["recipe"]
    assert part.config["paths"]["run_dir"] == str(tmp_path / "run")
    assert part.config["machine"] == {
        **part.config["machine"],
        "host": socket.gethostname(),
        "gpu": None,
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
    }
    rows = [r for r in part.rows if "round/test_acc" in r]
    assert [r["round/n_labeled"] for r in rows] == [20, 30, 40]
    assert rows[-1]["round/test_acc"] == pytest.approx(summary["final_acc"])
    assert rows[-1]["round/aubc"] == pytest.approx(summary["aubc"])
    assert rows[0]["round/aubc"] == rows[0]["round/test_acc"]
    assert [r["round/bought/nrows"] for r in rows if "round/bought/nrows" in r] == [10, 10]
    assert [sum(r["round/classes/values"]) for r in rows if "round/classes/values" in r] == [10, 10]
    assert [r["train/epoch"] for r in part.rows if "train/acc" in r] == list(range(1, 10))
    run = next(r.run for r in part.records if r.WhichOneof("record_type") == "run")
    assert summary["recipe"] in run.run_group
    assert {"digits", "mlp", "margin"} <= set(run.tags)
    axes = {
        (r.metric.name or r.metric.glob_name): r.metric.step_metric for r in part.records if r.HasField("metric")
    }
    assert axes["round/*"] == axes["strategy/*"] == "round/n_labeled"
    assert axes["train/*"] == "train/epoch"
    assert any(r.WhichOneof("record_type") == "artifact" and r.artifact.type == "ledger" for r in part.records)


def test_the_image_table_shows_what_was_bought(root: Path, tmp_path: Path) -> None:
    wandb = ("logger=[csv,wandb]", "logger.wandb.mode=offline", "loop.n_rounds=1")
    run_tiny(root, tmp_path / "run", *wandb)
    bought = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    bought = [line for line in bought if line["source"] == "query"]
    (part,) = parts(tmp_path / "run")
    tables = [r.artifact for r in part.records if r.WhichOneof("record_type") == "artifact"]
    (table,) = [a for a in tables if a.type == "run_table"]
    files = {entry.path: Path(entry.local_path) for entry in table.manifest.contents}
    assert all(file.is_relative_to(tmp_path / "run") for file in files.values())
    (content,) = [json.loads(file.read_text()) for path, file in files.items() if path.endswith(".table.json")]
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    assert [(r["id"], r["label"], r["round"]) for r in rows] == [(b["id"], str(b["label"]), 1) for b in bought]
    drawn = [np.asarray(Image.open(files[r["image"]["path"]])) for r in rows]
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = OmegaConf.to_container(compose("train").dataset)
    assert isinstance(config, dict)
    data = build_dataset({str(k): v for k, v in config.items()})
    pixels = data.load(tmp_path)["train"].source
    for row, image in zip(rows, drawn, strict=True):
        assert image.tolist() == pixels.fetch(torch.tensor([row["id"]]))[0, 0].tolist()


@pytest.mark.slow
def test_a_dashboard_of_ten_rounds_has_25_panels_at_most(root: Path, tmp_path: Path) -> None:
    wandb = ["logger=[csv,wandb]", "logger.wandb.mode=offline", "loop.n_rounds=10", "loop.n_val=20"]
    run_tiny(root, tmp_path / "run", *wandb, "strategy.steps=3", "strategy=autoal_search")
    (part,) = parts(tmp_path / "run")
    assert len(part.panels) <= 25, sorted(part.panels)
    assert {name.partition("/")[0] for name in part.panels} == {"train", "round", "strategy"}
    assert {"train/acc", "train/loss", "train/lr", "round/test_acc", "round/val_acc"} <= part.panels
    assert {"round/test_loss", "round/aubc", "round/seconds", "round/class_balance"} <= part.panels


def close(logger: WandbLogger, status: str = "finished") -> None:
    logger.finish(dict.fromkeys(("final_acc", "aubc", "n_labeled", "seconds", "recipe"), 1) | {"status": status})


def test_wandb_goes_on_in_the_same_run_after_a_resume(tmp_path: Path) -> None:
    config = {"dataset": {"name": "digits"}, "backbone": {"name": "mlp"}}
    rows: list[dict[str, Any]] = []
    for resumed in (False, True):
        time.sleep(1.1)  # W&B names the folders of offline parts by the second
        logger = WandbLogger(mode="offline")
        logger.start(RunInfo(tmp_path, config, "abc", "margin", 0, ("a", "b"), resumed))
        if resumed:
            logger.resumed(rows)
        for epoch in (1, 2):
            logger.epoch(int(resumed), epoch, {"train_acc": 0.5, "train_loss": 1.0, "lr": 0.1})
        rows.append(
            {
                "round": int(resumed),
                "n_labeled": 20 + 10 * resumed,
                "test_acc": 0.5,
                "test_loss": 1.0,
                "val_acc": None,
                "epochs": 2,
            }
        )
        logger.round(rows)
        close(logger)
    first, second = parts(tmp_path)
    assert first.id == second.id
    assert first.steps == [0, 1, 2]
    assert second.steps == [3, 4, 5]
    assert [r["_step"] for r in second.rows] == second.steps
    assert [r["train/epoch"] for p in (first, second) for r in p.rows if "train/acc" in r] == [1, 2, 3, 4]
    assert [r["round/n_labeled"] for p in (first, second) for r in p.rows if "round/test_acc" in r] == [20, 30]


def test_wandb_is_offline_unless_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert effective_mode(None) == "disabled"
    assert effective_mode("online") == "online"
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr("wandb.login", lambda prompt, verify: False)
    assert effective_mode(None) == "offline"
    monkeypatch.setattr("wandb.login", lambda prompt, verify: True)
    assert effective_mode(None) == "online"


def test_parts_that_wait_for_their_upload_keep_the_run_offline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"dataset": {"name": "digits"}, "backbone": {"name": "mlp"}}
    close_first = WandbLogger(mode="offline")
    close_first.start(RunInfo(tmp_path, config, "abc", "margin", 0, ("a", "b"), False))
    close(close_first)
    (folder,) = waiting_parts(tmp_path)
    logger = WandbLogger(mode="online")
    logger.start(RunInfo(tmp_path, config, "abc", "margin", 0, ("a", "b"), True))
    close(logger)
    assert upload_command(tmp_path) in caplog.text
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1
    (folder / f"run-{run_id(tmp_path)}.wandb.synced").touch()
    assert folder not in waiting_parts(tmp_path)


@pytest.mark.slow
def test_whatever_fails_in_wandb_the_run_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import wandb

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the service is gone\nTraceback: many lines")

    for name, where in (("log", wandb.Run), ("finish", wandb.Run), ("init", wandb), ("login", wandb)):
        caplog.clear()
        with monkeypatch.context() as patch:
            patch.delenv("WANDB_MODE", raising=False)
            patch.setattr(where, name, fail)
            mode = "null" if name == "login" else "offline"
            overrides = ("logger=[csv,wandb]", f"logger.wandb.mode={mode}", "loop.n_rounds=1")
            assert run_tiny(root, tmp_path / name, *overrides)["status"] == "finished"
        said = [r.getMessage() for r in caplog.records if r.name.startswith("autoal.loggers.wandb")]
        assert said == ["W&B: the service is gone; the run goes on without it"]


@pytest.mark.slow
def test_a_key_without_a_network_falls_back_to_offline(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(root / "train.py"), *TINY, "logger=[csv,wandb]", "paths.run_dir=run"]
    env = {**os.environ, "WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    env.pop("WANDB_MODE", None)
    done = subprocess.run(
        [*command, "logger.wandb.init_timeout=3"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if "W&B:" in line and "WARNING" in line]
    assert said.endswith(f"upload later with: {upload_command(tmp_path / 'run')}")
    (part,) = parts(tmp_path / "run")
    assert [r["round/n_labeled"] for r in part.rows if "round/test_acc" in r] == [20, 30, 40]


def test_tables_and_features_are_logged_without_images(tmp_path: Path) -> None:
    config = {"dataset": {"name": "t"}, "backbone": {"name": "mlp"}}
    logger = WandbLogger(mode="offline")
    logger.start(RunInfo(tmp_path, config, "abc", "margin", 0, ("a", "b"), False))
    ids = torch.arange(3)
    logger.bought(BoughtBatch(1, ids, ids % 2, ids % 2, ids.double(), lambda i: torch.zeros(len(i), 7)))
    logger.round([{"round": 0, "n_labeled": 10, "test_acc": 0.5, "epochs": 1}])
    close(logger, "failed")
    (part,) = parts(tmp_path)
    assert [r["round/bought/nrows"] for r in part.rows if "round/bought/nrows" in r] == [3]
    exits = [r.exit.exit_code for r in part.records if r.WhichOneof("record_type") == "exit"]
    assert exits == [1]


def test_the_report_draws_names_that_runs_log(root: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("wandb_report", root / "docs" / "examples" / "wandb_report.py")
    assert spec is not None
    assert spec.loader is not None
    template = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(template)
    run_tiny(root, tmp_path / "run", "logger=[csv,wandb]", "logger.wandb.mode=offline", "loop.n_rounds=0")
    (part,) = parts(tmp_path / "run")
    assert {*template.CURVES, *template.EPOCHS} <= part.panels
    workspaces = pytest.importorskip("wandb_workspaces.reports.v2")
    report = template.build("me", "autoal", "digits-abc")
    grids = [block for block in report.blocks if isinstance(block, workspaces.PanelGrid)]
    drawn = [panel for grid in grids for panel in grid.panels]
    assert {name for panel in drawn for name in panel.y} == {*template.CURVES, *template.EPOCHS}


@pytest.mark.slow
def test_a_run_that_was_stopped_and_resumed_counts_on(tmp_path: Path) -> None:
    options = ("logger=[csv,wandb]", "logger.wandb.mode=offline", "strategy=margin", "loop.epochs=100")
    cfg, run_dir = lives.config(*options), tmp_path / "run"
    first = lives.start([(cfg, run_dir)])
    ledger = run_dir / "ledger.jsonl"
    lives.wait_for(lambda: ledger.exists() and len(lives.bought(run_dir)) > 31, limit=120)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGTERM)
    assert lives.end(first) == 143
    assert lives.live(cfg, run_dir, resume=True) == 0
    stopped, resumed = parts(run_dir)
    assert stopped.id == resumed.id
    steps = stopped.steps + resumed.steps
    assert steps == list(range(len(steps))), "no step twice, none left out"
    assert resumed.steps, "something is left to do for the second part"
    labelled = [r["round/n_labeled"] for p in (stopped, resumed) for r in p.rows if "round/test_acc" in r]
    assert labelled == [21, 31, 41, 51]
    epochs = [r["train/epoch"] for p in (stopped, resumed) for r in p.rows if "train/acc" in r]
    assert epochs == list(range(1, 401)), "one axis, every epoch once"
