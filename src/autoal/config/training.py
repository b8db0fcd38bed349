"""The settings of trainer and optimiser, checked before torch or Lightning is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from autoal.config.values import (
    Count,
    Declared,
    LearningRate,
    NotNegative,
    Positive,
    Range,
    Whole,
    check,
    settings_of,
    shown,
)
from autoal.errors import AutoALError

_PART = "rounds would count as whole that trained on a part of their labels"
_LENGTH = "the loop decides how long a round trains: set loop.epochs, loop.stop_train_acc or loop.patience"
_EVALUATION = "evaluation is the loop's own: see loop.n_val and loop.eval_batch_size"
_FILES = "checkpoints are the run directory's: see loop.checkpoint_every and paths.run_dir"
_VIEW = "a run has a view and a summary of its own"
_LOOP = "the loop relies on its own setting"

REFUSED: dict[str, str] = {
    **dict.fromkeys(("fast_dev_run", "limit_train_batches", "overfit_batches"), _PART),
    **dict.fromkeys(("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"), _LENGTH),
    **dict.fromkeys(("limit_val_batches", "limit_test_batches", "limit_predict_batches"), _EVALUATION),
    **dict.fromkeys(("val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps"), _EVALUATION),
    **dict.fromkeys(("enable_checkpointing", "default_root_dir", "model_registry"), _FILES),
    **dict.fromkeys(("enable_progress_bar", "enable_model_summary", "barebones"), _VIEW),
    **dict.fromkeys(("use_distributed_sampler", "reload_dataloaders_every_n_epochs", "inference_mode"), _LOOP),
    **dict.fromkeys(("plugins", "enable_autolog_hparams"), _LOOP),
    "logger": "loggers are a group of their own: logger=[csv,wandb]",
    "callbacks": "callbacks are a group of their own: callbacks=[early_stopping]",
}
"""Arguments of Lightning's Trainer that a config may not give, and why."""

SHARDED = ("fsdp", "deepspeed", "model_parallel")
"""Lightning strategies in which no process holds the whole network."""


@dataclass(frozen=True)
class TrainerSettings:
    """Settings of a ``trainer`` config: what Lightning's Trainer is given, and a few of our own.

    Attributes:
        name: Name of the preset.
        accelerator: What to train on.
        devices: How many devices of this machine, which ones, or ``auto`` (-1): all.
        num_nodes: Machines.
        strategy: ``auto``: one process; ``ddp``: one per device.
        precision: Of weights and arithmetic; part of the recipe.
        gradient_clip_val: Longest gradient; None: as it is. Part of the recipe.
        gradient_clip_algorithm: Clip the norm (default) or each value; part of the recipe.
        accumulate_grad_batches: Batches per optimiser step; part of the recipe.
        sync_batchnorm: Batch statistics over all processes; part of the recipe.
        deterministic: Deterministic algorithms only.
        benchmark: Let cuDNN try its algorithms.
        profiler: One of Lightning's.
        log_every_n_steps: Steps between two numbers of a callback that logs by steps.
        detect_anomaly: Look for the operation that made a NaN.
        flush_denormal: Treat denormal numbers as 0.
        data_on_device_gib: Splits up to this size together live on the device, GiB.
        data_share_gib: Several processes: larger splits are dealt out to their devices, up to this size on each,
            GiB; 0: never.
        prefetch: Batches read ahead for larger ones.
        timeout_min: How long a process waits for another that gives no sign of life, minutes, a week at most.
        spread_from_mib: Size of a pool's features from which several processes keep a share each, MiB.
    """

    name: str = ""
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: Count | Literal["auto", -1] | Annotated[Sequence[Whole], "not empty"] = 1
    num_nodes: Count = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "64-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true"] = "32-true"
    gradient_clip_val: NotNegative | None = None
    gradient_clip_algorithm: Literal["norm", "value"] | None = None
    accumulate_grad_batches: Count = 1
    sync_batchnorm: bool = False
    deterministic: bool | Literal["warn"] = False
    benchmark: bool | None = False
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    log_every_n_steps: Count = 50
    detect_anomaly: bool = False
    flush_denormal: bool = True
    data_on_device_gib: NotNegative = 4.0
    data_share_gib: NotNegative = 0.0
    prefetch: Annotated[int, Range(0, 1024)] = 2
    timeout_min: Annotated[float, Range(0, 10080, "(]")] = 30.0
    spread_from_mib: NotNegative = 128.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrainerSettings:
        """Read and check a ``trainer`` config.

        Raises:
            AutoALError: Naming the key, its value and what is valid, or why it can't be set.
        """
        for key in config:
            if key in REFUSED:
                raise AutoALError(f"trainer.{key} can't be set: {REFUSED[key]}")
        strategy = str(config.get("strategy"))
        if strategy.startswith(SHARDED):
            raise AutoALError(
                f"trainer.strategy={shown(strategy)} is not supported: a query needs the whole network in every "
                "process; use trainer.strategy=ddp"
            )
        settings = cls(**check("trainer", config, settings_of(cls)))
        devices = settings.devices
        one = devices == 1 or (not isinstance(devices, str | int) and len(devices) == 1)
        if settings.strategy != "ddp" and (not one or settings.num_nodes > 1):
            key = "num_nodes" if settings.num_nodes > 1 else "devices"
            raise AutoALError(
                f"trainer.{key}={shown(getattr(settings, key))} needs trainer.strategy=ddp (trainer=ddp or "
                "trainer=ddp_cpu): one process trains on one device"
            )
        return settings


Schedule = Literal["constant", "cosine", "cosine_7_16", "multistep"]


@dataclass(frozen=True)
class OptimizerKeys:
    """Keys of an ``optimizer`` config that are not arguments of the optimiser.

    Attributes:
        name: Name of the preset.
        schedule: Learning rate over the epochs of a round; ``cosine_7_16`` ends at a fifth of it, after 7/16 of a
            half-wave.
        warmup_epochs: Epochs of a linear rise before it.
        milestones: Epochs at which ``multistep`` multiplies the rate by ``gamma``.
        gamma: That factor.
        decay: What ``weight_decay`` is of: ``all`` parameters, or ``weights``: no biases, no normalisation.
    """

    name: str = ""
    schedule: Schedule = "constant"
    warmup_epochs: Whole = 0
    milestones: Sequence[Whole] | None = ()
    gamma: Positive = 0.1
    decay: Literal["all", "weights"] = "all"


_DECAY = Annotated[float, Range(0, 1, "[)")]

OPTIMIZER_RANGES: dict[str, Declared] = {
    "lr": Declared(LearningRate),
    "weight_decay": Declared(NotNegative),
    "momentum": Declared(_DECAY),
    "dampening": Declared(Annotated[float, Range(0, 1)]),
    "betas": Declared(tuple[_DECAY, _DECAY]),
}
"""Ranges of arguments that torch's own annotations leave out."""
