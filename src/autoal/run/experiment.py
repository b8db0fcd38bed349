"""Build one experiment from a composed config and run it."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from omegaconf import DictConfig

from autoal.config.instantiate import admit, first_line, to_name_again
from autoal.config.root import check_root, plain
from autoal.config.training import TrainerSettings
from autoal.console.invocation import resume_command
from autoal.console.terminal import say
from autoal.data.fingerprint import fingerprint
from autoal.data.kept import KeptData
from autoal.errors import AutoALError
from autoal.humans.session import Session
from autoal.humans.waiting import Waiting
from autoal.loggers.base import RunInfo, RunListener
from autoal.loggers.build import build_loggers
from autoal.loggers.files import FileListener
from autoal.loggers.lightning import ListenerLogger
from autoal.logs import log_to
from autoal.loop.callback import ActiveLearning
from autoal.loop.epochs import published
from autoal.loop.settings import LoopConfig
from autoal.loop.view import make_view
from autoal.models.build import ClassifierFactory, plan_backbone
from autoal.processes.launch import global_rank
from autoal.processes.signals import Stopped, StopRequest
from autoal.processes.watch import Watch
from autoal.query.contract import QueryStrategy
from autoal.query.registry import build as build_strategy
from autoal.run.data import build_data, check_strategy
from autoal.run.ending import close, farewell, keep_traceback
from autoal.run.lost import blame, say_lost
from autoal.run.machine import check_stamp, machine, take_threads
from autoal.run.summary import summary, training_text
from autoal.rundir.checkpoints import Found, find_checkpoint
from autoal.rundir.directory import RunDir
from autoal.rundir.recipe import recipe_hash
from autoal.rundir.state import mark_failed
from autoal.training.callbacks import build_callbacks, check_callbacks
from autoal.training.hooks import join_hooks
from autoal.training.lit import LitClassifier
from autoal.training.method import build_method
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
        callbacks: Further callbacks of Lightning's trainer.
        task: Recipe for classifiers, with the data in it.
        module: The LightningModule.
        overrides: The command line's overrides, for the record.
        trust: What a command that resumes the run has to name as trusted.
        listeners: Told what happens; made when the run starts, on rank 0.
        on_lost: Told the line that names a rank that is lost, and whether this rank is the one to say it; then
            the process ends.
        n_test: Test labels that are bought at the start.
        people: Those who answer; None: a simulated oracle.
        show: Whether a person watches this run; else it prints nothing.
    """

    config: dict[str, Any]
    run_dir: RunDir
    strategy: QueryStrategy
    loop: LoopConfig
    callbacks: list[pl.Callback]
    task: Task
    module: LitClassifier
    overrides: Sequence[str] = ()
    trust: Sequence[str] = ()
    listeners: list[RunListener] = field(default_factory=list)
    on_lost: Callable[[str, bool], None] = say_lost
    n_test: int = 0
    people: Session | None = None
    show: bool = True

    @classmethod
    def build(
        cls,
        config: DictConfig | Mapping[str, Any],
        run_dir: Path,
        overrides: Sequence[str] = (),
        resume: bool = False,
        trust: Sequence[str] = (),
        kept: KeptData | None = None,
    ) -> Experiment:
        """Instantiate and check every part.

        Args:
            config: A composed config (``conf/train.yaml``).
            run_dir: The run directory.
            overrides: The command line's overrides, for the record.
            resume: Whether the run in the directory is to be continued, with its number of threads.
            trust: Packages, modules or classes, besides this package's, that the config may name.
            kept: The data sets of earlier runs of this process; None: read the data anew.

        Raises:
            AutoALError: For any bad value, before a file is written.
        """
        cfg = check_root(plain(config))
        if resume:
            take_threads(RunDir(run_dir))
        admit(cfg, trust)
        seed = cfg["seed"]
        loop = LoopConfig.from_config(cfg["loop"])
        placing = TrainerSettings.from_config(cfg["trainer"])
        strategy = build_strategy(cfg["strategy"])
        recipe = OptimizerRecipe(cfg["optimizer"], loop.epochs)
        recipe.check_precision(placing.precision)
        method = build_method(cfg["training"])
        method.check_precision(placing.precision)
        plan_backbone(cfg["backbone"])
        build_loggers(cfg["logger"])
        callbacks = build_callbacks(cfg["callbacks"])
        check_callbacks(callbacks, published(loop))
        data, people, n_test = build_data(cfg, loop, placing, run_dir, resume, recipe.full_batch, kept)
        check_strategy(strategy, data)
        factory = ClassifierFactory(cfg["backbone"], data.dataset.info)
        task = Task(
            factory, recipe, data, seed, loop.epochs, loop.stop_train_acc, sync_batchnorm=placing.sync_batchnorm
        )
        hook = join_hooks([method.hook(task), strategy.training_hook(task)])
        module = LitClassifier(task.initial_net(), recipe, hook)
        strategy.check(module.net)
        recipe.optimizer(module.net.parameters())  # some optimisers refuse some networks
        again = to_name_again(trust)
        run = RunDir(run_dir)
        return cls(
            cfg, run, strategy, loop, callbacks, task, module, overrides, again, n_test=n_test, people=people
        )

    def run(self, resume: bool = False) -> dict[str, Any]:
        """Run the experiment to its end.

        Args:
            resume: Continue from the run directory's checkpoint.

        Returns:
            The content of ``summary.json``.

        Raises:
            AutoALError: For an error of the user or the world; the summary says ``failed``.
        """
        stop = StopRequest()
        watch = Watch(60 * float(self.config["trainer"]["timeout_min"]), self._lost)
        callback = self._callback(stop, watch)
        trainer = self._trainer(callback)
        stop.install()
        try:
            with stop.waiting():
                found = self._open(resume, callback, trainer)
        except BaseException:
            stop.restore()
            raise
        status, message, signum = "failed", "", 0
        try:
            stop.check()
            self._fit(resume, found, callback, trainer)
            status = "finished"
        except BaseException as caught:
            with stop.closing():
                error = blame(caught, watch)
            # Another rank may have been the one that was told to stop; a save that failed is a failure.
            signum = error.signum if isinstance(error, Stopped) else stop.signum
            signum = 0 if isinstance(error, AutoALError) else signum
            if isinstance(error, Waiting):
                status, message, signum = "waiting", error.line(self.run_dir.path), 0
            watch.leave(message or first_line(error), signum)
            if status != "waiting" and not signum:
                message = first_line(error)
                keep_traceback(self.run_dir, error)
                if error is caught:
                    raise
                raise error from caught
            if status != "waiting":
                # A rank that was told to stop takes others with it, whose connections then break.
                status, message = "interrupted", f"continue with: {self._resume_command()}"
        finally:
            watch.leave()
            said = close(
                self.run_dir,
                partial(self._summary, status, callback, trainer, message),
                callback.view,
                self.listeners,
                stop,
                self._main,
                failed=status == "failed",
            )
        if status == "interrupted":
            if self._shown:
                say(f"stopped by {signal.Signals(signum).name}; {message}", sys.stderr)
            stop.leave(signum, self._main)
        if status == "waiting":
            if self._shown:
                say(f"then continue with: {self._resume_command()}\n{message}")
        elif self._shown:
            farewell(self.run_dir, callback.view, callback.records.rows, said)
        return said

    def _lost(self, line: str, speaking: bool) -> None:
        """End this process at once: its main thread waits for a rank that is lost."""
        log.info("%s", line)
        if self._main:
            mark_failed(self.run_dir.path, line)
        self.on_lost(line, speaking)
        os._exit(1)

    def _open(self, resume: bool, callback: ActiveLearning, trainer: pl.Trainer) -> Found | None:
        """Claim the directory and write its first files; returns the checkpoint to go on from.

        Raises:
            AutoALError: If the directory can't be had, or what stands there belongs to other data.
        """
        weights = self.module.state_dict()
        if not self._main:
            return find_checkpoint(self.run_dir.checkpoint, weights) if resume else None
        self.run_dir.claim(resume, self.trust)
        try:
            if self.people is None:
                data = fingerprint(self.task.data) + self.task.data.static_digest()
            else:
                with log_to(self.run_dir.log_file):
                    for line in self.people.begin(self.task.data):
                        log.warning("%s", line)
                assert self.people.items is not None
                # Images may come and go; those that count are compared one by one.
                data = f"items:{self.people.items.run}"
            callback.stamp = {"data": data, "machine": self._machine(trainer)}
            found = None
            if resume:
                with log_to(self.run_dir.log_file):
                    found = find_checkpoint(self.run_dir.checkpoint, weights)
                    check_stamp(self.run_dir, found, callback.stamp)
            if not resume or self.run_dir.other_config(self.config):
                self.run_dir.write_config(self.config, self.overrides)
            self.run_dir.write_summary(self._summary("running", callback, trainer))
        except BaseException:
            self.run_dir.release()
            raise
        if self._shown:
            say(f"run directory {self.run_dir.path}\nwhatever ends it, continue with: {self._resume_command()}")
        return found

    def _resume_command(self) -> str:
        return resume_command(self.run_dir.path, self.trust)

    def _fit(self, resume: bool, found: Found | None, callback: ActiveLearning, trainer: pl.Trainer) -> None:
        """Run all rounds, from the start or from a checkpoint."""
        with log_to(self.run_dir.log_file) if self._main else nullcontext():
            for listener in self.listeners:
                listener.start(self._info(resume, trainer))
            path = None if found is None else found.path
            trainer.fit(self.module, datamodule=self.task.data, ckpt_path=path, weights_only=True)
        done, wanted = len(callback.records.rows), self.loop.n_rounds + 1
        if not callback.finished or done != wanted:
            raise AutoALError(f"training ended after {done} of {wanted} rounds")
        if self._main:
            self.run_dir.check()

    @property
    def _main(self) -> bool:
        """Whether this is the process that writes files."""
        return global_rank() == 0

    @property
    def _shown(self) -> bool:
        """Whether this process tells a person how the run goes."""
        return self.show and self._main

    def _callback(self, stop: StopRequest, watch: Watch | None = None) -> ActiveLearning:
        training = training_text(self.config)
        title = f"{self.config['dataset']['name']}, {self.strategy.name}, seed {self.task.seed}"
        title += f"\n{training}" if training else ""
        files = FileListener(title, self.strategy.write_figures)
        self.listeners = [files, *build_loggers(self.config["logger"])] if self._main else []
        view = make_view(show=self._shown)
        return ActiveLearning(
            self.strategy,
            self.loop,
            self.task,
            self.run_dir,
            view,
            self.listeners,
            stop,
            callbacks=self.callbacks,
            watch=watch,
            n_test=self.n_test,
            people=self.people,
        )

    def _trainer(self, loop: ActiveLearning) -> pl.Trainer:
        """Build the trainer; without callbacks of the user's nobody logs through it."""
        logger = None
        if self.callbacks:
            logger = ListenerLogger(self.run_dir.path, self.listeners, lambda: loop.steps_before)
        return build_trainer(self.config["trainer"], [loop.epochs, *self.callbacks, loop], logger)

    def _info(self, resumed: bool, trainer: pl.Trainer) -> RunInfo:
        info = self.task.data.dataset.info
        return RunInfo(
            run_dir=self.run_dir.path,
            config=self.config,
            recipe=recipe_hash(self.config),
            strategy=self.strategy.name,
            seed=self.task.seed,
            class_names=info.class_names or tuple(str(i) for i in range(info.n_classes)),
            resumed=resumed,
            machine=self._machine(trainer),
            details=self.strategy.details,
        )

    def _summary(
        self, status: str, callback: ActiveLearning, trainer: pl.Trainer, message: str = ""
    ) -> dict[str, Any]:
        return summary(
            self.config,
            self.strategy.name,
            callback.records.rows,
            self._machine(trainer),
            status,
            message,
            data=callback.stamp.get("data"),
            seconds=round(callback.seconds, 3),
            precision=str(trainer.precision),
            **({"ceiling": True} if self.strategy.reads_truth else {}),
        )

    @staticmethod
    def _machine(trainer: pl.Trainer) -> dict[str, Any]:
        device = trainer.strategy.root_device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return machine(name, trainer.world_size)
