"""Lightning callbacks of a ``callbacks`` config: which ones an experiment takes, and rounds for those that ask.

One ``Trainer.fit`` holds all rounds. Lightning's epochs therefore run on from round to round, and a callback that
counts anything has to know where a round begins: it derives from :class:`RoundCallback`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch import callbacks as theirs

from autoal.config.instantiate import locate, plan_class
from autoal.config.plugins import registered
from autoal.config.values import Count, NotNegative, Text, shown
from autoal.errors import AutoALError

_SCHEDULE = "it counts the epochs of the whole fit, which holds all rounds"

REFUSED: dict[type[pl.Callback], str] = {
    theirs.Checkpoint: "checkpoints are the run directory's: see loop.checkpoint_every",
    theirs.ProgressBar: "a run has a view of its own",
    theirs.ModelSummary: "a run has a view of its own",
    theirs.LearningRateFinder: "it would train before round 0; set optimizer.lr",
    theirs.BatchSizeFinder: "it would train before round 0; set loop.batch_size",
    theirs.GradientAccumulationScheduler: f"{_SCHEDULE}; set trainer.accumulate_grad_batches",
    theirs.BaseFinetuning: f"{_SCHEDULE}; set backbone.freeze",
    theirs.StochasticWeightAveraging: f"{_SCHEDULE}, and averages over them",
    theirs.WeightAveraging: "it averages over the whole fit, which holds all rounds",
    theirs.ModelPruning: "it renames weights that each round starts from",
    theirs.Timer: "the loop decides how long a round trains: set loop.epochs",
    theirs.BasePredictionWriter: "nothing is predicted during a run: see autoal predict",
}
"""Callbacks that don't fit into rounds, and why; classes derived from them neither."""

WELCOME: tuple[type[pl.Callback], ...] = (theirs.LearningRateMonitor, theirs.DeviceStatsMonitor)
"""Lightning's own callbacks that work as they are."""


class RoundCallback(pl.Callback):
    """A Lightning callback that is told where rounds begin and end, on every rank.

    Attributes:
        publishes: Names that it logs itself (``pl_module.log``), for others to monitor.
    """

    publishes: Collection[str] = ()

    def check(self, numbers: Collection[str]) -> None:
        """Refuse an experiment that the callback can't work in, before anything is trained.

        Args:
            numbers: Names in ``trainer.callback_metrics`` at the end of each epoch.

        Raises:
            AutoALError: If a number is missing.
        """

    def on_round_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, round_: int) -> None:
        """Begin a round, before its first epoch; not after a resume within one."""

    def on_round_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, row: Mapping[str, Any]) -> None:
        """End a round, after its query; ``row`` is its row of ``rounds.csv``. The network is still the round's."""


class EarlyStopping(theirs.EarlyStopping, RoundCallback):
    """Ends a round's training, which the query follows, once a number has not got better for some epochs.

    Lightning's class of that name, with counter and best value that start anew in each round.

    Args:
        monitor: ``train_acc`` or ``train_loss``, with ``loop.n_val > 0`` also ``val_acc`` or ``val_loss``, or what
            another callback logs.
        mode: Whether more (``max``) or less (``min``) is better; None: less for a name that ends in ``loss``.
        patience: Epochs without anything better.
        min_delta: How much better counts.
        stopping_threshold: Stop at once where it is reached.
        divergence_threshold: Stop at once where it is worse than that.
    """

    def __init__(
        self,
        monitor: Text = "val_acc",
        mode: Literal["min", "max"] | None = None,
        patience: Count = 5,
        min_delta: NotNegative = 0.0,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ) -> None:
        super().__init__(
            monitor,
            min_delta,
            patience,
            mode=mode or ("min" if monitor.endswith("loss") else "max"),
            stopping_threshold=stopping_threshold,
            divergence_threshold=divergence_threshold,
            check_on_train_epoch_end=True,
        )

    def check(self, numbers: Collection[str]) -> None:
        """Refuse to wait for a number that nobody makes."""
        if self.monitor in numbers:
            return
        hint = " (val_acc and val_loss need loop.n_val > 0)" if "val_acc" not in numbers else ""
        raise AutoALError(
            f"callbacks: EarlyStopping can't monitor '{shown(self.monitor)}'; valid: "
            f"{', '.join(sorted(numbers))}{hint}"
        )

    def on_round_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, round_: int) -> None:
        """Forget the round before."""
        self.wait_count = self.stopped_epoch = 0
        self.best_score = torch.tensor(torch.inf if self.mode == "min" else -torch.inf)
        self.stopping_reason = theirs.early_stopping.EarlyStoppingReason.NOT_STOPPED
        self.stopping_reason_message = None


def build_callbacks(config: Mapping[str, Any]) -> list[pl.Callback]:
    """Make the callbacks of a config.

    Args:
        config: ``_target_`` and arguments by a name of one's own; of a class that an installed package registers
            (entry points ``autoal.callbacks``) its name is enough.

    Raises:
        AutoALError: If a class is none that an experiment takes, or an argument is not valid.
    """
    built = [_build(f"callbacks.{name}", str(name), options) for name, options in config.items()]
    keys = [callback.state_key for callback in built if type(callback).state_dict is not pl.Callback.state_dict]
    for key in keys:
        if keys.count(key) > 1:
            raise AutoALError(f"callbacks: two of them keep their state as {shown(key)}; leave one out")
    return built


def _build(key: str, name: str, options: Any) -> pl.Callback:
    installed = registered("callbacks")
    if name in installed and (options is None or (isinstance(options, Mapping) and "_target_" not in options)):
        options = {"_target_": installed[name], **(options or {})}
    if not isinstance(options, Mapping):
        raise AutoALError(f"{key}={shown(options)} is not a mapping with a _target_")
    cls = locate(key, options.get("_target_"), pl.Callback)
    why = _objection(cls)
    if why:
        raise AutoALError(f"{key}: {cls.__name__} can't be used: {why}")
    arguments = {k: v for k, v in options.items() if k != "_target_"}
    callback: pl.Callback = plan_class(key, cls, arguments, pl.Callback).build()
    return callback


def _objection(cls: type) -> str:
    """Say why a class of callbacks is not taken; empty if it is."""
    for refused, reason in REFUSED.items():
        if issubclass(cls, refused):
            return reason
    if issubclass(cls, theirs.EarlyStopping) and not issubclass(cls, RoundCallback):
        return "its counter would run on from round to round; take callbacks=early_stopping or its class"
    on_cpu = not torch.cuda.is_available()
    if issubclass(cls, theirs.DeviceStatsMonitor) and on_cpu and find_spec("psutil") is None:
        return "on a CPU it needs psutil: pip install psutil"
    if cls.__module__.startswith("lightning.") and not issubclass(cls, WELCOME):
        return f"of Lightning's own, {', '.join(c.__name__ for c in WELCOME)} and EarlyStopping do"
    return ""


def check_callbacks(callbacks: Collection[pl.Callback], numbers: Collection[str]) -> None:
    """Let the callbacks refuse an experiment.

    Args:
        callbacks: All of them.
        numbers: What the loop itself publishes at the end of an epoch.

    Raises:
        AutoALError: See :meth:`RoundCallback.check`.
    """
    rounds = [callback for callback in callbacks if isinstance(callback, RoundCallback)]
    published = {*numbers, *(name for callback in rounds for name in callback.publishes)}
    for callback in rounds:
        callback.check(published)
