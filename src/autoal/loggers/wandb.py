"""Weights & Biases: one run per experiment, the same run after a resume, and never the end of one."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, cast

import numpy as np
import torch
from torch import Tensor

from autoal.config.instantiate import first_line
from autoal.config.values import Positive, Text, Whole
from autoal.loggers.base import BoughtBatch, Row, RunInfo, RunListener
from autoal.loggers.metrics import EPOCHS, LABELS, EpochAxis, callback_metrics, round_metrics
from autoal.loggers.wandb_parts import (
    StepCounter,
    check_reachable,
    effective_mode,
    run_id,
    staged_in,
    upload_command,
    waiting_parts,
    within,
)
from autoal.rundir.names import LEDGER

log = logging.getLogger(__name__)
P = ParamSpec("P")

HURRY = 20.0
"""Seconds for the upload of a run that is told to stop: its batch system will not wait."""

MOST_BINS = 512
"""W&B's limit on the bins of a histogram."""


def _harmless(
    method: Callable[Concatenate[WandbLogger, P], None],
) -> Callable[Concatenate[WandbLogger, P], None]:
    """Make a method of the logger one that raises nothing: the run matters more than its dashboard."""

    @wraps(method)
    def guarded(self: WandbLogger, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.warn(f"{first_line(error)}; the run goes on without it")

    return guarded


class WandbLogger(RunListener):
    """Logs curve, diagnostics, bought images and the ledger, under the names of :mod:`autoal.loggers.metrics`.

    The run's id and last step are kept in the run directory (``wandb_id``, ``wandb_step``), so a resumed
    experiment goes on in its own W&B run, offline too, and each cell of a multirun has one of its own. Without
    a network it works offline, and says once how to upload later.

    Args:
        project: W&B project.
        entity: W&B user or team.
        mode: ``online``, ``offline`` or ``disabled``; None: ``WANDB_MODE``, else online when this machine is
            logged in and offline when it is not.
        tags: Tags besides dataset, backbone and strategy.
        n_images: Images per round in the table of bought samples; 0 logs none.
        init_timeout: Seconds to wait for the server at the start, before working offline.
        finish_timeout: Seconds to wait for the upload at the end.
    """

    def __init__(
        self,
        project: Text = "autoal",
        entity: str | None = None,
        mode: Literal["online", "offline", "disabled"] | None = None,
        tags: Sequence[str] = (),
        n_images: Whole = 32,
        init_timeout: Positive = 60.0,
        finish_timeout: Positive = 600.0,
    ) -> None:
        self.project = project
        self.entity = entity
        self.mode = mode
        self.tags = tuple(tags)
        self.n_images = n_images
        self.init_timeout = init_timeout
        self.finish_timeout = finish_timeout
        self._run: Any = None
        self._info: RunInfo | None = None
        self._steps: StepCounter | None = None
        self._epochs = EpochAxis()
        self._bought: dict[str, Any] = {}
        self._said: set[str] = set()

    def warn(self, message: str) -> None:
        """Say what is wrong with W&B: once in a run where everybody sees it, then each thing once in the log."""
        if message not in self._said:
            log.log(logging.INFO if self._said else logging.WARNING, "W&B: %s", message)
        self._said.add(message)

    @_harmless
    def start(self, info: RunInfo) -> None:
        """Open the run, or go on in it."""
        self._info = info
        mode = effective_mode(self.mode)
        if mode == "online" and waiting_parts(info.run_dir):
            mode = "offline"
            self.warn(f"offline, for an earlier part of the run waits for: {upload_command(info.run_dir)}")
        self._run = self._open_somehow(info, mode)
        place = {"paths": {**info.config.get("paths", {}), "run_dir": str(info.run_dir.absolute())}}
        self._run.config.update({**place, "machine": whereabouts(info)}, allow_val_change=True)
        self._steps = StepCounter(info.run_dir / "wandb_step")
        self._steps.at_least(int(getattr(self._run, "starting_step", 0) or 0))
        self._run.define_metric(EPOCHS, hidden=True)
        self._run.define_metric("train/*", step_metric=EPOCHS)
        self._run.define_metric(LABELS, hidden=True)
        for names in ("round/*", "strategy/*"):
            self._run.define_metric(names, step_metric=LABELS)
        self._run.define_metric("detail/*", step_metric=LABELS, hidden=True)
        self._run.define_metric("callbacks/step", hidden=True)
        self._run.define_metric("callbacks/*", step_metric="callbacks/step")

    def _open_somehow(self, info: RunInfo, mode: str) -> Any:
        """Open the run, offline if it can't be had otherwise."""
        tried = False
        try:
            if mode == "online":
                check_reachable(self.init_timeout)
            tried = True
            return self._open(info, mode)
        except Exception as error:
            if mode in ("offline", "disabled"):
                raise
            self.warn(f"offline, for {first_line(error)}; upload later with: {upload_command(info.run_dir)}")
        if tried:
            _end_service()
        return self._open(info, "offline")

    def _open(self, info: RunInfo, mode: str) -> Any:
        import wandb

        config = info.config
        names = [config["dataset"]["name"], config["backbone"]["name"], info.strategy]
        limits: dict[str, Any] = {"finish_timeout": self.finish_timeout, "finish_timeout_raises": True}
        known = {key: value for key, value in limits.items() if key in wandb.Settings.model_fields}
        return wandb.init(
            project=self.project,
            entity=self.entity,
            dir=str(info.run_dir),
            id=run_id(info.run_dir),
            resume="allow",
            name="-".join([*names, f"s{info.seed}"]),
            group=f"{names[0]}-{info.recipe}",
            job_type=info.strategy,
            tags=[*names, *self.tags],
            config={**config, "recipe": info.recipe},
            mode=cast(Any, mode),
            settings=wandb.Settings(silent=True, console="off", init_timeout=self.init_timeout, **known),
            reinit="finish_previous",
        )

    @_harmless
    def resumed(self, rows: Sequence[Row]) -> None:
        """Take up the count of epochs."""
        self._epochs.rounds_done(rows)

    @_harmless
    def epoch(self, round_: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch."""
        self._log(self._epochs.metrics(epoch, metrics))

    @_harmless
    def logged(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log what a callback logs, over the run's optimiser steps."""
        self._log({"callbacks/step": step, **callback_metrics(metrics)})

    @_harmless
    def bought(self, batch: BoughtBatch) -> None:
        """Keep the table of bought samples and the histogram of their classes for the round's step."""
        import wandb

        assert self._info is not None
        names = self._info.class_names
        table = wandb.Table(columns=["round", "id", "image", "label", "prediction", "score"])
        shown = batch.ids[: self.n_images]
        images = batch.images(shown) if len(shown) else torch.zeros(0)
        rows = zip(shown, images, batch.labels, batch.predictions, batch.scores, strict=False)
        for i, image, label, guess, score in rows:
            said = (names[int(label)], names[int(guess)], float(score))
            table.add_data(batch.round, int(i), as_image(image), *said)
        counts = np.histogram(batch.labels.numpy(), min(len(names), MOST_BINS), (-0.5, len(names) - 0.5))
        self._bought = {"round/bought": table, "round/classes": wandb.Histogram(np_histogram=counts)}

    @_harmless
    def round(self, rows: Sequence[Row]) -> None:
        """Log a finished round, and what was bought at its end."""
        assert self._info is not None
        self._epochs.rounds_done(rows)
        bought, self._bought = self._bought, {}
        self._log({**round_metrics(rows, self._info.details), **bought})

    def _log(self, metrics: Mapping[str, Any]) -> None:
        if self._run is not None and self._steps is not None and self._info is not None:
            with staged_in(self._info.run_dir):
                self._run.log(dict(metrics), step=self._steps.next(), commit=True)

    @_harmless
    def finish(self, summary: Mapping[str, Any]) -> None:
        """Log the summary and the ledger, and close the run."""
        import wandb

        run, self._run = self._run, None
        if run is None or self._info is None:
            return
        run_dir = self._info.run_dir
        for key in ("status", "final_acc", "aubc", "n_labeled", "seconds", "recipe"):
            run.summary[key] = summary[key]
        ledger = run_dir / LEDGER
        if ledger.exists():
            artifact = wandb.Artifact(f"ledger-{run.id}", type="ledger")
            with staged_in(run_dir):
                artifact.add_file(str(ledger))
                run.log_artifact(artifact)
        patience = HURRY if summary["status"] == "interrupted" else self.finish_timeout
        try:
            within(patience, lambda: run.finish(exit_code=0 if summary["status"] == "finished" else 1))
        except TimeoutError:
            left = upload_command(run_dir, "run-*")
            self.warn(f"the upload did not end within {patience:g} seconds; upload the rest with: {left}")


def _end_service() -> None:
    """End W&B's service, which still holds the run's id after a start that failed."""
    import wandb

    try:
        within(3 * HURRY, wandb.teardown)
    except Exception as error:
        log.info("W&B: %s", first_line(error))


def whereabouts(info: RunInfo) -> dict[str, Any]:
    """Return where a run works: host, GPU, SLURM's job id, and what else is recorded of the machine."""
    device = info.machine.get("device", "cpu")
    job = os.environ.get("SLURM_JOB_ID")
    found = {"host": socket.gethostname(), "gpu": None if device == "cpu" else device, "slurm_job_id": job}
    return {**info.machine, **found}


def as_image(raw: Tensor) -> Any:
    """Return a ``wandb.Image`` of a raw ``uint8`` image, or None for a table row or feature vector."""
    import wandb

    if raw.ndim != 3 or raw.dtype != torch.uint8 or raw.shape[0] not in (1, 3):
        return None
    return wandb.Image(raw.permute(1, 2, 0).squeeze(-1).numpy())
