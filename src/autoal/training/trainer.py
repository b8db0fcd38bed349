"""The Lightning trainer of an experiment, from its ``trainer`` config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers.logger import Logger

from autoal.config.instantiate import first_line
from autoal.config.training import TrainerSettings
from autoal.errors import AutoALError
from autoal.rundir.checkpoints import AtomicCheckpointIO
from autoal.training.environment import cluster_environment
from autoal.training.loopback import LoopbackDDP

OUR_KEYS = (
    "name", "flush_denormal", "data_on_device_gib", "data_share_gib", "prefetch", "timeout_min", "spread_from_mib",
)  # fmt: skip
"""Keys of a ``trainer`` config that are not arguments of Lightning's Trainer."""


def build_trainer(
    config: Mapping[str, Any], callbacks: list[pl.Callback], logger: Logger | None = None
) -> pl.Trainer:
    """Build the trainer that runs all rounds in one fit.

    Args:
        config: A ``trainer`` config.
        callbacks: What it calls, the loop among them, which writes the checkpoints.
        logger: Where callbacks log to.

    Raises:
        AutoALError: If the config asks for what this machine has not.
    """
    settings = TrainerSettings.from_config(config)
    options = {k: v for k, v in asdict(settings).items() if k not in OUR_KEYS}
    # Small networks trained to zero loss fill with denormal numbers, which a CPU adds five times slower.
    torch.set_flush_denormal(settings.flush_denormal)
    _check_devices(options)
    environment = cluster_environment()
    if options.get("strategy") == "ddp":
        options["strategy"] = LoopbackDDP(
            process_group_backend="gloo" if options.get("accelerator") == "cpu" else None,
            timeout=timedelta(minutes=settings.timeout_min),
        )
    options |= {
        "max_epochs": -1,
        "reload_dataloaders_every_n_epochs": 1,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": logger or False,
        "callbacks": callbacks,
        "plugins": [AtomicCheckpointIO(), environment],
    }
    try:
        trainer = pl.Trainer(**options)
    except Exception as error:  # combinations that Lightning knows better, each with an error of its own
        raise AutoALError(f"trainer: {first_line(error)}") from error
    # Before each step Lightning broadcasts whether rank 0 was sent SIGTERM and waits for the answer, which
    # keeps the CPU from running ahead of a GPU; the loop's own agreement takes its place.
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    return trainer


def _check_devices(options: Mapping[str, Any]) -> None:
    accelerator = options.get("accelerator")
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise AutoALError(f"trainer.accelerator={accelerator}, but torch finds no GPU here; use trainer=cpu")
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available())
    if options.get("sync_batchnorm") and on_cpu:
        raise AutoALError("trainer.sync_batchnorm=true works only on GPUs; set trainer.sync_batchnorm=false")
