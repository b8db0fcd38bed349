"""Weights & Biases: one run per experiment, the same run after a resume."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from autoal.config.values import Text, Whole
from autoal.files import atomic_open
from autoal.loggers.base import BoughtBatch, Row, RunInfo, RunListener
from autoal.loggers.metrics import callback_metrics, epoch_prefix, round_metrics


class WandbLogger(RunListener):
    """Logs curve, diagnostics, bought images, strategy weights and the ledger.

    The run's id is kept in the run directory (``wandb_id``), so a resumed experiment goes on in its own W&B
    run and each cell of a multirun has one of its own.

    Args:
        project: W&B project.
        entity: W&B user or team.
        mode: ``online``, ``offline`` or ``disabled``; None: ``WANDB_MODE``, else online when this machine is
            logged in and offline when it is not.
        tags: Tags besides dataset, backbone and strategy.
        n_images: Images per round in the table of bought samples; 0 logs none.
    """

    def __init__(
        self,
        project: Text = "autoal",
        entity: str | None = None,
        mode: Literal["online", "offline", "disabled"] | None = None,
        tags: Sequence[str] = (),
        n_images: Whole = 32,
    ) -> None:
        self.project = project
        self.entity = entity
        self.mode = mode
        self.tags = tuple(tags)
        self.n_images = n_images
        self._run: Any = None
        self._info: RunInfo | None = None
        self._prefixes: set[str] = set()

    def start(self, info: RunInfo) -> None:
        """Open the run, or go on in it."""
        import wandb

        self._info = info
        config = info.config
        name = f"{config['dataset']['name']}-{config['backbone']['name']}-{info.strategy}-s{info.seed}"
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            dir=str(info.run_dir),
            id=run_id(info.run_dir),
            resume="allow",
            name=name,
            group=f"{config['dataset']['name']}-{info.recipe}",
            job_type=info.strategy,
            tags=[config["dataset"]["name"], config["backbone"]["name"], info.strategy, *self.tags],
            config={**config, "recipe": info.recipe},
            mode=cast(Any, self.mode or default_mode()),
            settings=wandb.Settings(silent=True, console="off"),
            reinit="finish_previous",
        )
        self._run.define_metric("n_labeled")
        for namespace in ("round", "seconds", "weights"):
            self._run.define_metric(f"{namespace}/*", step_metric="n_labeled")
        self._run.define_metric("callbacks/*", step_metric="callbacks/step")

    def epoch(self, round_: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch under its round's namespace."""
        prefix = epoch_prefix(round_)
        if prefix not in self._prefixes:
            self._run.define_metric(f"{prefix}/*", step_metric=f"{prefix}/epoch")
            self._prefixes.add(prefix)
        self._run.log({f"{prefix}/epoch": epoch, **{f"{prefix}/{k}": v for k, v in metrics.items()}})

    def logged(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log what a callback logs, over the run's optimiser steps."""
        self._run.log({"callbacks/step": step, **callback_metrics(metrics)})

    def bought(self, batch: BoughtBatch) -> None:
        """Log the table of bought samples and their class histogram."""
        import wandb

        assert self._info is not None
        names = self._info.class_names
        table = wandb.Table(columns=["id", "image", "label", "prediction", "score"])
        shown = batch.ids[: self.n_images]
        images = batch.images(shown) if len(shown) else torch.zeros(0)
        rows = zip(shown, images, batch.labels, batch.predictions, batch.scores, strict=False)
        for i, image, label, prediction, score in rows:
            table.add_data(int(i), as_image(image), names[int(label)], names[int(prediction)], float(score))
        counts = wandb.Table(columns=["class", "bought"])
        for name, count in zip(names, torch.bincount(batch.labels, minlength=len(names)).tolist(), strict=True):
            counts.add_data(name, count)
        histogram = wandb.plot.bar(counts, "class", "bought", title=f"classes bought for round {batch.round}")
        self._run.log({"bought/samples": table, "bought/classes": histogram, "bought/round": batch.round})

    def round(self, rows: Sequence[Row]) -> None:
        """Log the row of a finished round."""
        row = rows[-1]
        self._run.log({"n_labeled": row["n_labeled"], **round_metrics(row)})

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Log the summary and the ledger, and close the run."""
        import wandb

        if self._run is None or self._info is None:
            return
        for key in ("status", "final_acc", "aubc", "n_labeled", "seconds", "recipe"):
            self._run.summary[key] = summary[key]
        ledger = self._info.run_dir / "ledger.jsonl"
        if ledger.exists():
            artifact = wandb.Artifact(f"ledger-{self._run.id}", type="ledger")
            artifact.add_file(str(ledger))
            self._run.log_artifact(artifact)
        self._run.finish(exit_code=0 if summary["status"] == "finished" else 1)
        self._run = None


def run_id(run_dir: Path) -> str:
    """Return the W&B id of a run directory, made on the first call."""
    path = run_dir / "wandb_id"
    if not path.exists():
        with atomic_open(path) as file:
            file.write(uuid.uuid4().hex[:12])
    return path.read_text(encoding="utf-8").strip()


def default_mode() -> str | None:
    """Return offline unless this machine is logged in; None leaves it to ``WANDB_MODE``."""
    import wandb

    if os.environ.get("WANDB_MODE"):
        return None
    return "online" if wandb.login(prompt=False) else "offline"


def as_image(raw: Tensor) -> Any:
    """Return a ``wandb.Image`` of a raw ``uint8`` image, or None for a table row or feature vector."""
    import wandb

    if raw.ndim != 3 or raw.dtype != torch.uint8 or raw.shape[0] not in (1, 3):
        return None
    return wandb.Image(raw.permute(1, 2, 0).squeeze(-1).numpy())
