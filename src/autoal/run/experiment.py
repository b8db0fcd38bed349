"""Build one experiment from a composed config and run it."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from omegaconf import DictConfig, OmegaConf

from autoal.analysis.curves import aubc
from autoal.data.build import build_augmentations, build_dataset
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.loggers.base import RunInfo, RunListener
from autoal.loggers.build import build_loggers
from autoal.loggers.files import FileListener
from autoal.logs import log_to
from autoal.loop.callback import ActiveLearning
from autoal.loop.settings import LoopConfig
from autoal.loop.view import make_view
from autoal.models.build import ClassifierFactory
from autoal.processes.launch import global_rank
from autoal.processes.signals import Stopped, StopRequest
from autoal.query.contract import QueryStrategy
from autoal.query.registry import build as build_strategy
from autoal.rundir.checkpoints import find_checkpoint
from autoal.rundir.directory import RunDir, git_commit, versions
from autoal.rundir.recipe import recipe_hash
from autoal.training.lit import LitClassifier
from autoal.training.optim import OptimizerRecipe
from autoal.training.task import Task
from autoal.training.trainer import build_trainer

log = logging.getLogger(__name__)


@dataclass
class Experiment:
    """Everything of one run, built and checked, with nothing trained or written yet.

    Attributes:
        config: The composed config as plain containers.
        run_dir: Where files go.
        strategy: Chooses the samples.
        loop: Sizes and stopping rules.
        task: Recipe for classifiers, with the data in it.
        module: The LightningModule.
        overrides: The command line's overrides, for the record.
        listeners: Told what happens; made when the run starts, on rank 0.
    """

    config: dict[str, Any]
    run_dir: RunDir
    strategy: QueryStrategy
    loop: LoopConfig
    task: Task
    module: LitClassifier
    overrides: Sequence[str] = ()
    listeners: list[RunListener] = field(default_factory=list)

    @classmethod
    def build(
        cls, config: DictConfig | Mapping[str, Any], run_dir: Path, overrides: Sequence[str] = ()
    ) -> Experiment:
        """Instantiate and check every part.

        Args:
            config: A composed config (``conf/train.yaml``).
            run_dir: The run directory.
            overrides: The command line's overrides, for the record.

        Raises:
            AutoALError: For any bad value, before a file is written.
        """
        cfg = _plain(config)
        seed = cfg["seed"]
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise AutoALError(f"seed={seed} is not an integer of at least 0")
        loop = LoopConfig.from_config(cfg["loop"])
        strategy = build_strategy(cfg["strategy"])
        dataset = build_dataset(cfg["dataset"])
        recipe = OptimizerRecipe(cfg["optimizer"], loop.epochs)
        recipe.check_precision(str(cfg["trainer"].get("precision")))
        data = ActiveLearningDataModule(
            dataset,
            Path(cfg["paths"]["data_dir"]),
            seed=seed,
            batch_size=None if recipe.full_batch else loop.batch_size,
            eval_batch_size=loop.eval_batch_size,
            augmentations=build_augmentations(cfg["dataset"].get("augment") or []),
            max_device_bytes=int(float(cfg["trainer"].get("data_on_device_gib", 4.0)) * 2**30),
            prefetch=int(cfg["trainer"].get("prefetch", 2)),
        )
        data.setup()
        loop.check_pool(len(data.pool.unlabelled))
        factory = ClassifierFactory(cfg["backbone"], dataset.info)
        task = Task(factory, recipe, data, seed, loop.epochs, loop.stop_train_acc)
        module = LitClassifier(task.initial_net(), recipe, strategy.training_hook(task))
        strategy.check(module.net)
        return cls(cfg, RunDir(run_dir), strategy, loop, task, module, overrides)

    def run(self, resume: bool = False) -> dict[str, Any]:
        """Run the experiment to its end.

        Args:
            resume: Continue from the run directory's checkpoint.

        Returns:
            The content of ``summary.json``.

        Raises:
            AutoALError: For an error of the user or the world; the summary says ``failed``.
        """
        main = global_rank() == 0
        stop = StopRequest()
        callback = self._callback(main, stop)
        trainer = build_trainer(self.config["trainer"], [callback])
        if main:
            self.run_dir.claim(resume)
            if not resume:
                self.run_dir.write_config(self.config, self.overrides)
            self.run_dir.write_summary(self._summary("running", callback, trainer))
        checkpoint = find_checkpoint(self.run_dir.checkpoint) if resume else None
        status, message, signum = "failed", "", 0
        stop.install()
        try:
            with log_to(self.run_dir.log_file) if main else nullcontext():
                for listener in self.listeners:
                    listener.start(self._info(resume))
                trainer.fit(self.module, datamodule=self.task.data, ckpt_path=checkpoint, weights_only=True)
            status = "finished"
        except BaseException as error:
            # Another rank may have been the one that was told to stop.
            signum = error.signum if isinstance(error, Stopped) else stop.signum
            if not signum:
                message = (str(error).splitlines() or [type(error).__name__])[0]
                raise
            # A rank that was told to stop takes others with it, whose connections then break.
            status, message = "interrupted", f"continue with: python train.py resume={self.run_dir.path}"
        finally:
            callback.view.stop()
            stop.restore()
            summary = self._summary(status, callback, trainer, message)
            if main:
                self._close(summary)
        if status == "interrupted":
            if main:
                print(f"stopped by {signal.Signals(signum).name}; {message}", file=sys.stderr)
            stop.leave(signum, main)
        if main:
            self._farewell(callback, summary)
        return summary

    def _close(self, summary: dict[str, Any]) -> None:
        """Write the last summary and give the directory up, whatever else has gone wrong."""
        try:
            self.run_dir.write_summary(summary)
            for listener in self.listeners:
                listener.finish(summary)
        except AutoALError as error:
            if summary["status"] != "failed":
                raise
            # A full disk fails twice; the first error is the one to show.
            log.warning("%s", error)
        finally:
            self.run_dir.release()

    def _callback(self, main: bool, stop: StopRequest) -> ActiveLearning:
        title = f"{self.config['dataset']['name']}, {self.strategy.name}, seed {self.task.seed}"

        files = FileListener(title, self.strategy.write_figures)
        self.listeners = [files, *build_loggers(self.config["logger"])] if main else []
        view = make_view(show=main)
        return ActiveLearning(self.strategy, self.loop, self.task, self.run_dir, view, self.listeners, stop)

    def _info(self, resumed: bool) -> RunInfo:
        info = self.task.data.dataset.info
        return RunInfo(
            run_dir=self.run_dir.path,
            config=self.config,
            recipe=recipe_hash(self.config),
            strategy=self.strategy.name,
            seed=self.task.seed,
            class_names=info.class_names or tuple(str(i) for i in range(info.n_classes)),
            resumed=resumed,
        )

    def _summary(
        self, status: str, callback: ActiveLearning, trainer: pl.Trainer, message: str = ""
    ) -> dict[str, Any]:
        rows = callback.records.rows
        accuracies = [r["test_acc"] for r in rows]
        labels = [r["n_labeled"] for r in rows]
        device = trainer.strategy.root_device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return {
            "status": status,
            "message": message,
            "dataset": self.config["dataset"]["name"],
            "backbone": self.config["backbone"]["name"],
            "strategy": self.strategy.name,
            "seed": self.task.seed,
            "recipe": recipe_hash(self.config),
            "final_acc": accuracies[-1] if accuracies else None,
            "aubc": aubc(labels, accuracies) if len(rows) > 1 else None,
            "val_acc": rows[-1]["val_acc"] if rows else None,
            "n_labeled": labels[-1] if labels else 0,
            "n_val": self.loop.n_val,
            "rounds": len(rows),
            "seconds": round(callback.seconds, 3),
            "versions": versions(),
            "device": name,
            "world_size": trainer.world_size,
            "precision": str(trainer.precision),
            "git_commit": git_commit(),
        }

    def _farewell(self, callback: ActiveLearning, summary: dict[str, Any]) -> None:
        best = f"final accuracy {100 * summary['final_acc']:.2f}%" if summary["final_acc"] is not None else ""
        area = f", AUBC {100 * summary['aubc']:.2f}%" if summary["aubc"] is not None else ""
        callback.view.finish(
            callback.records.rows,
            [f"{best}{area}", f"learning curve  {self.run_dir.curve_png}", f"run directory   {self.run_dir.path}"],
        )


def _plain(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(config, DictConfig):
        container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        assert isinstance(container, dict)
        return {str(k): v for k, v in container.items()}
    return {str(k): v for k, v in config.items()}
