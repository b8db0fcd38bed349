"""The active-learning loop: rounds of training and queries inside one ``Trainer.fit``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.humans.session import Session
from autoal.kernels.checks import Progress
from autoal.loggers.base import RunListener
from autoal.loop.audience import Audience
from autoal.loop.epochs import EpochNumbers
from autoal.loop.people import PeoplePurchases
from autoal.loop.purchases import Purchases
from autoal.loop.queries import Queries
from autoal.loop.records import RoundRecords
from autoal.loop.settings import LoopConfig
from autoal.loop.stopping import StopAgreement
from autoal.loop.validation import Validation
from autoal.loop.view import PlainView
from autoal.models.classifier import Classifier
from autoal.processes.signals import Stopped, StopRequest
from autoal.processes.watch import Watch
from autoal.query.contract import QueryStrategy, Selection
from autoal.rundir.checkpoints import FORMAT, STAMP
from autoal.rundir.directory import RunDir
from autoal.training.callbacks import RoundCallback
from autoal.training.evaluation import evaluate
from autoal.training.hooks import TrainingHook
from autoal.training.lit import LitClassifier
from autoal.training.task import Task


class ActiveLearning(Checkpoint):
    """Cuts one fit into rounds: train, evaluate, query, buy, reset.

    The end of an epoch is where a round may end. Then a checkpoint is written, the classifier is evaluated,
    the strategy is asked for a query, the labels are bought (ledger first, then pool), the classifier is
    reset, and the next checkpoint is written. Everything that decides is computed on every rank alike; only
    rank 0 writes files.

    Lightning calls what writes checkpoints after every other callback, so that their states are those of the
    epoch's end; one that sets ``trainer.should_stop`` ends the round's training and not the fit.

    Args:
        strategy: Chooses the samples.
        loop: Sizes and stopping rules.
        task: The recipe for classifiers, shared with strategies that train networks of their own.
        run_dir: Where files go.
        view: What a person sees.
        listeners: Told what happens, on rank 0 (loggers, figures).
        stop: Where stop signals arrive; None: nobody can ask the loop to stop.
        stamp: What checkpoints say about data set and machine.
        callbacks: Further Lightning callbacks, which the trainer calls too.
        watch: Watches over the other ranks; None: nobody does.
        n_test: Test labels that are bought at the start.
        people: Those who answer; None: a simulated oracle.

    Attributes:
        epochs: The callback that measures each epoch, first among the trainer's.
        steps_before: Optimiser steps before the last resume.
    """

    def __init__(
        self,
        strategy: QueryStrategy,
        loop: LoopConfig,
        task: Task,
        run_dir: RunDir,
        view: PlainView,
        listeners: Sequence[RunListener] = (),
        stop: StopRequest | None = None,
        stamp: Mapping[str, Any] | None = None,
        callbacks: Sequence[pl.Callback] = (),
        watch: Watch | None = None,
        n_test: int = 0,
        people: Session | None = None,
    ) -> None:
        self.strategy = strategy
        self.loop = loop
        self.task = task
        self.data: ActiveLearningDataModule = task.data
        self.run_dir = run_dir
        self.view = view
        self.seed = task.seed
        self.records = RoundRecords()
        self.finished = False
        self.stamp: dict[str, Any] = dict(stamp or {})
        self._audience = Audience(task.data, loop, run_dir, view, listeners)
        self._initial: dict[str, Tensor] = {}
        self._purchases = Purchases(task.data, run_dir.ledger, loop, strategy.name, n_test)
        if people is not None:
            self._purchases = PeoplePurchases(task.data, run_dir.ledger, loop, strategy.name, n_test, people)
        self._validation = Validation(task.data, loop, watched=bool(callbacks))
        self.epochs = EpochNumbers(task.data, loop, self._validation, publish=bool(callbacks))
        self._others = tuple(callbacks)
        self._queries = Queries(strategy, loop.n_query, task, self._phase)
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self._stop = StopAgreement(stop or StopRequest())
        self._watch = watch or Watch()
        self._steps_done = self._steps = self.steps_before = self._step_before = 0
        self._trained: float | None = None
        self._asked: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, over all its resumes."""
        return self._seconds_before + time.monotonic() - self._started

    # --- start -----------------------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Learn this rank's place, move the data, and keep the initial weights."""
        device = trainer.strategy.root_device
        world = World.join(trainer.global_rank, trainer.world_size, device, self._watch)
        self.data.place(device, world)
        self._stop.place(world)
        self.task.device = device
        net = self._net(pl_module)
        self._initial = {k: v.detach().clone().cpu() for k, v in net.state_dict().items()}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Buy the initial set, or take up what a checkpoint and the ledger brought."""
        assert isinstance(pl_module, LitClassifier)
        hook = pl_module.hook
        # Only now has Lightning converted the network to the trainer's precision.
        self.task.dtype = next(pl_module.net.parameters()).dtype
        self.task.precision = trainer.precision_plugin
        if hook is not None:
            self.data.extra_samples = hook.extra_samples
        self._audience.start(self.strategy.name, self.seed)
        with self._stop.request.waiting():
            if self._purchases.reconcile() == 0:
                self._purchases.buy_initial()
                if hook is not None:
                    hook.on_round_start(0)
                self._each_round(lambda other: other.on_round_start(trainer, pl_module, 0))
            if self.records.rows:
                self._audience.resumed(self.records.rows)
        if self.finished and self.data.round < self.loop.n_rounds:
            self._go_on()
        if self.finished:
            trainer.should_stop = True
        elif self._trained is not None:
            # The checkpoint stands between the training and the query of its round.
            self._finish_round(trainer, pl_module, self._trained)

    def _go_on(self) -> None:
        """Take the last round up again at its query: more rounds are wanted now than when it ended."""
        row = self.records.rows.pop()
        self.records.add_seconds("train", float(row["seconds_train"]))
        self.finished, self._trained = False, float(row["train_acc"])

    # --- training --------------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the stop signals back from Lightning; from here on they wait for the end of a step."""
        self._stop.request.install()
        self._stop.request.wait()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin a step, in whose backward pass the ranks wait for each other."""
        self._watch.begin("a training step")
        self._step_before = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step; save and leave if a signal asked for it."""
        self._watch.end()
        hook = self._hook(pl_module)
        if hook is not None and trainer.global_step != self._step_before:
            hook.on_step_end(self._net(pl_module))  # before a checkpoint, whose weights are those after the step
        self._steps_done += 1
        signum = self._stop.step_done()
        if signum and not trainer.is_last_batch and not trainer.should_stop:
            assert isinstance(pl_module, LitClassifier)
            self.epochs.sums_before = self.epochs.sums(pl_module)
            self.records.add_seconds("train", self.epochs.seconds)
            self._save(trainer)
            raise Stopped(signum)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the hook."""
        hook = self._hook(pl_module)
        if hook is not None:
            hook.on_epoch_start(self.data.round, self.data.epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell what the epoch came to; end the round if it is over."""
        assert isinstance(pl_module, LitClassifier)
        data, loop, train_acc = self.data, self.loop, self.epochs.train_acc
        self._steps_done = data.start_batch = 0
        stop = self._asked_to_stop(trainer) or self.epochs.over
        self.records.add_seconds("train", self.epochs.seconds)
        self._audience.epoch(self.epochs)
        if stop:
            self._end_training(trainer, pl_module, train_acc)
            signum = self._stop.ask()
            if signum:
                raise Stopped(signum)
            self._finish_round(trainer, pl_module, train_acc)
        signum = self._stop.ask()
        if not stop and (signum or (loop.checkpoint_every and data.epoch % loop.checkpoint_every == 0)):
            self._save(trainer)
        if signum and not self.finished:
            raise Stopped(signum)

    def _asked_to_stop(self, trainer: pl.Trainer) -> bool:
        """Whether another callback, on any rank, wants the training to end; it ends that of the round."""
        if not self._others:
            return False
        asked = bool(self.data.world.largest([int(trainer.should_stop)])[0])
        trainer.should_stop = False
        return asked

    def _each_round(self, tell: Callable[[RoundCallback], None]) -> None:
        """Tell the callbacks that want to know about rounds."""
        for other in self._others:
            if isinstance(other, RoundCallback):
                tell(other)

    # --- the end of a round ----------------------------------------------------------------------------

    def _end_training(self, trainer: pl.Trainer, module: LitClassifier, train_acc: float) -> None:
        """Settle the round's network, and save it: a query may take longer than the training did."""
        self.data.world.sync_buffers(module)
        module.settle()
        self._validation.restore(module.net)
        self._trained = train_acc
        self._save(trainer)

    def _finish_round(self, trainer: pl.Trainer, module: LitClassifier, train_acc: float) -> None:
        """Evaluate, query, buy and begin the next round. A stop before the purchase repeats it all."""
        data, net = self.data, module.net
        last = data.round >= self.loop.n_rounds
        selection = spares = None
        with self._stop.request.at_once(), trainer.precision_plugin.forward_context():
            if self._asked is not None:
                row, selection = self._asked["row"], Selection(**self._asked["selection"])
            else:
                with self._phase("test"):
                    test = evaluate(net, data, *data.test_part(), auroc=True)
                self._audience.predictions(test)
                val = self._validation.evaluate(net)
                balance = data.pool.class_balance(data.dataset.info.n_classes)
                n_labeled = len(data.pool.labelled)
                row = self.records.start_row(data.round, n_labeled, test, val, train_acc, data.epoch, balance)
            if not last and selection is None:
                selection = self._queries.ask(net, self._purchases.answerer(data.round + 1))
                spares = self._queries.spares(net, selection, self._purchases.n_spares)
        with self._stop.request.waiting():
            if selection is not None and self._asked is None:
                self._ask_people(trainer, row, selection, spares)
            columns = {} if selection is None else selection.log
            if module.hook is not None:
                columns = {**module.hook.on_round_end(), **columns, "seconds_hook": module.take_hook_seconds()}
            columns = {**columns, **self._purchases.effort(data.round)}
            self.records.finish_row(row, columns)
            if selection is not None:
                self._purchases.buy(data.round + 1, selection.ids, selection.scores, "query", self.strategy.name)
                if data.world.is_main:
                    self._audience.bought(self._queries.bought(selection))
            self._each_round(lambda other: other.on_round_end(trainer, module, row))
            if selection is not None:
                self._next_round(trainer, module)
            self._audience.round_done(self.records.rows)
            self.finished, self._trained, self._asked = last, None, None
            self._save(trainer)
        if last:
            trainer.should_stop = True

    def _ask_people(
        self, trainer: pl.Trainer, row: dict[str, Any], selection: Selection, spares: Selection | None
    ) -> None:
        """Put the query to people, if they are the oracle, and save: the query comes first, as the ledger does."""
        if not self._purchases.ask(self.data.round + 1, selection, spares, self._queries.suggestions):
            return
        self._asked = {"row": dict(row), "selection": selection._asdict(), **self._queries.state_dict()}
        self._save(trainer)

    def _next_round(self, trainer: pl.Trainer, module: LitClassifier) -> None:
        if not self.loop.warm_start:
            module.net.load_state_dict(self._initial)
        if module.hook is not None:
            module.hook.on_round_start(self.data.round + 1)
        trainer.strategy.setup_optimizers(trainer)
        self.data.round += 1
        self.data.epoch = 0
        self._validation.reset()
        self._each_round(lambda other: other.on_round_start(trainer, module, self.data.round))

    @contextmanager
    def _phase(self, name: str) -> Iterator[Progress]:
        """Time a phase into ``seconds_<name>`` and show its progress."""
        self.view.phase(name)
        start = time.perf_counter()

        def progress(done: int, total: int) -> None:
            self._watch.beat()
            self.view.progress(name, done, total)

        yield progress
        self.records.add_seconds(name, time.perf_counter() - start)

    # --- checkpoints -----------------------------------------------------------------------------------

    def _save(self, trainer: pl.Trainer) -> None:
        world = self.data.world
        if world.is_main:
            self.run_dir.check()
        self._steps = self.steps_before + trainer.global_step
        # Rank 0 may have written figures and loggers' files meanwhile.
        world.meet("a checkpoint")
        with nullcontext() if world.is_main else self._watch.together("rank 0's checkpoint"):
            trainer.save_checkpoint(self.run_dir.checkpoint)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave out what a resumed fit must not take up.

        Lightning's loop counters are those of the epoch before, while the pool may have grown since; round,
        epoch and step are this package's own. After a round's training the optimiser has done its work: the
        next round begins with a new one.
        """
        checkpoint.pop("loops", None)
        checkpoint[STAMP] = {"format": FORMAT, **self.stamp}
        if self._trained is not None:
            checkpoint["optimizer_states"], checkpoint["lr_schedulers"] = [], []

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave out the optimiser of a run that had ended: if it goes on, then with a new round and a new one."""
        if checkpoint["callbacks"][self.state_key]["finished"]:
            checkpoint["optimizer_states"], checkpoint["lr_schedulers"] = [], []

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far, the clock, the best validation weights and the strategy's state."""
        return {
            "records": self.records.state_dict(),
            "best": self._validation.state_dict(),
            "finished": self.finished,
            "strategy": self.strategy.state_dict(),
            "trained": self._trained,
            "seconds": self.seconds,
            "steps_done": self._steps_done,
            "steps": self._steps,
            "sums": self.epochs.sums_before,
            **({} if self._asked is None else {"asked": self._asked}),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`.

        Raises:
            AutoALError: If the strategy's part is not one that this version can take up.
        """
        self.records.load_state_dict(state_dict["records"])
        self._validation.load_state_dict(state_dict["best"])
        self.finished = bool(state_dict["finished"])
        try:
            self.strategy.load_state_dict(state_dict["strategy"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise AutoALError(
                f"{self.run_dir.checkpoint}: strategy {self.strategy.name} can't take up its state "
                f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
            ) from error
        self._trained = state_dict["trained"]
        self._asked = state_dict.get("asked")
        if self._asked is not None:
            self._queries.load_state_dict(self._asked)
        self._seconds_before = float(state_dict["seconds"])
        self._steps_done = self.data.start_batch = int(state_dict["steps_done"])
        self.epochs.sums_before = state_dict["sums"]
        self.steps_before = int(state_dict.get("steps", 0))  # a checkpoint of an older version has none

    @staticmethod
    def _net(module: pl.LightningModule) -> Classifier:
        assert isinstance(module, LitClassifier)
        return module.net

    @staticmethod
    def _hook(module: pl.LightningModule) -> TrainingHook | None:
        assert isinstance(module, LitClassifier)
        return module.hook
