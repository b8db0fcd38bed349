"""Lightning callbacks inside rounds: told apart by round, resumed with their state, hashed where they matter."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import pandas as pd
import pytest
from lightning.pytorch import callbacks as theirs

from autoal import experiment
from autoal.errors import AutoALError
from autoal.processes.signals import Stopped, StopRequest
from autoal.run.compose import dotted
from autoal.run.experiment import Experiment
from autoal.training.callbacks import EarlyStopping, RoundCallback, build_callbacks, check_callbacks

LOOP = {"n_init": 30, "n_query": 15, "n_rounds": 2, "epochs": 25, "stop_train_acc": None}
ON_LOSS = {
    "_target_": dotted(EarlyStopping),
    "monitor": "train_loss",
    "patience": 2,
    "min_delta": 0.05,
}


def built(run_dir: Path, callbacks: Mapping[str, Any], resume: bool = False, **loop: Any) -> Experiment:
    made = experiment(
        strategy="margin", trainer="cpu", loop={**LOOP, **loop}, callbacks=callbacks, overrides=["seed=3"]
    )
    return Experiment.build(made.config, run_dir, resume=resume)


def rows(run_dir: Path) -> pd.DataFrame:
    table = pd.read_csv(run_dir / "rounds.csv")
    return table[[c for c in table.columns if not c.startswith("seconds")]]


def bought(run_dir: Path) -> list[int]:
    return [json.loads(line)["id"] for line in (run_dir / "ledger.jsonl").read_text().splitlines()]


class Witness(RoundCallback):
    """Writes down what it sees, and ends what it is told to end."""

    seen: ClassVar[list[tuple[Any, ...]]] = []
    leave_at: ClassVar[tuple[int, int] | None] = None
    stop_at_step: ClassVar[int | None] = None

    def on_round_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, round_: int) -> None:
        self.seen.append(("start", round_))

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if args[-1] == self.stop_at_step:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        numbers = {k: float(v) for k, v in trainer.callback_metrics.items()}
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self.seen.append(("epoch", data.round, data.epoch, numbers))
        if self.leave_at == (data.round, data.epoch):
            raise Stopped(15)

    def on_round_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, row: Mapping[str, Any]) -> None:
        self.seen.append(("end", row["round"], row["epochs"]))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("seen", []), ("leave_at", None), ("stop_at_step", None)):
        monkeypatch.setattr(Witness, name, value)


def length(losses: list[float], patience: int, min_delta: float, most: int) -> int:
    """Epochs that a round trains by the rule as it reads: so many epochs without anything better by so much."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses, 1):
        best, waited = (loss, 0) if loss < best - min_delta else (best, waited + 1)
        if waited == patience or epoch == most:
            return epoch
    raise AssertionError("the run ended before the rule did")


def test_early_stopping_counts_anew_in_each_round(tmp_path: Path) -> None:
    built(tmp_path / "run", {"stop": ON_LOSS, "witness": Witness}).run()
    epochs = rows(tmp_path / "run")["epochs"].tolist()
    for round_ in range(3):
        losses = [s[3]["train_loss"] for s in Witness.seen if s[:2] == ("epoch", round_)]
        assert len(losses) == epochs[round_] == length(losses, 2, 0.05, 25)
    assert min(epochs) < 25
    assert len(bought(tmp_path / "run")) == 60  # every query was made
    order = [s[:2] for s in Witness.seen if s[0] != "epoch"]
    assert order == [(what, r) for r in range(3) for what in ("start", "end")]
    assert [s[2] for s in Witness.seen if s[0] == "end"] == epochs


def test_validation_numbers_are_there_to_be_monitored(tmp_path: Path) -> None:
    stop = {"_target_": dotted(EarlyStopping), "monitor": "val_acc", "patience": 2}
    built(tmp_path / "run", {"stop": stop, "witness": Witness}, n_val=40, n_rounds=1).run()
    table = rows(tmp_path / "run")
    for round_ in range(2):
        errors = [-s[3]["val_acc"] for s in Witness.seen if s[:2] == ("epoch", round_)]
        assert table["epochs"][round_] == length(errors, 2, 0.0, 25)
        assert table["val_acc"][round_] == pytest.approx(-errors[-1])
        assert all({"val_loss", "train_acc"} <= set(s[3]) for s in Witness.seen if s[0] == "epoch")


def test_a_callback_may_stop_within_an_epoch(tmp_path: Path) -> None:
    Witness.stop_at_step = 0
    built(tmp_path / "run", {"witness": Witness}, batch_size=10).run()
    table = rows(tmp_path / "run")
    assert table["epochs"].tolist() == [1, 1, 1]
    assert table["n_labeled"].tolist() == [30, 45, 60]
    assert (table["train_acc"] * 10 % 1).tolist() == pytest.approx([0, 0, 0])  # one batch of ten


def test_callbacks_that_look_on_change_nothing(tmp_path: Path) -> None:
    watch = {"lr": theirs.LearningRateMonitor, "stats": theirs.DeviceStatsMonitor}
    built(tmp_path / "plain", {}).run()
    built(tmp_path / "watched", watch).run()
    pd.testing.assert_frame_equal(rows(tmp_path / "plain"), rows(tmp_path / "watched"))
    assert bought(tmp_path / "plain") == bought(tmp_path / "watched")
    assert not (tmp_path / "plain" / "callbacks.jsonl").exists()
    lines = [json.loads(line) for line in (tmp_path / "watched" / "callbacks.jsonl").read_text().splitlines()]
    assert any("lr-Adam" in line for line in lines)
    assert any("cpu_percent" in " ".join(line) for line in lines)


def test_a_resumed_run_stops_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    callbacks = {"stop": ON_LOSS, "lr": theirs.LearningRateMonitor, "witness": Witness}
    built(tmp_path / "whole", callbacks, n_rounds=1).run()
    assert rows(tmp_path / "whole")["epochs"][1] > 4
    Witness.leave_at = (1, 4)
    with pytest.raises(Stopped):
        broken_off(built(tmp_path / "cut", callbacks, n_rounds=1, checkpoint_every=1))
    assert len(rows(tmp_path / "cut")) == 1
    Witness.leave_at = None
    built(tmp_path / "cut", callbacks, resume=True, n_rounds=1).run(resume=True)
    pd.testing.assert_frame_equal(rows(tmp_path / "whole"), rows(tmp_path / "cut"))
    assert bought(tmp_path / "whole") == bought(tmp_path / "cut")
    logs = [(tmp_path / name / "callbacks.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]  # no step twice, none left out


def broken_off(run: Experiment) -> None:
    """Run up to where the witness leaves, as a kill would leave it, with the checkpoint of the epoch before."""
    loop = run._callback(StopRequest())
    trainer = run._trainer(loop)
    run._open(False, loop, trainer)
    try:
        run._fit(False, None, loop, trainer)
    finally:
        run.run_dir.release()


class Theirs(theirs.EarlyStopping):
    """Not told of rounds."""


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (theirs.ModelCheckpoint, "checkpoints are the run directory's"),
        (theirs.EarlyStopping, "callbacks=early_stopping"),
        (Theirs, "run on from round to round"),
        (theirs.RichProgressBar, "a view of its own"),
        (theirs.Timer, "loop.epochs"),
        (theirs.LearningRateFinder, "optimizer.lr"),
        (theirs.BackboneFinetuning, "backbone.freeze"),
        (theirs.StochasticWeightAveraging, "holds all rounds"),
        (theirs.EMAWeightAveraging, "holds all rounds"),
        (theirs.LambdaCallback, "LearningRateMonitor"),
    ],
)
def test_what_does_not_fit_into_rounds_is_refused_by_name(callback: type, message: str) -> None:
    with pytest.raises(AutoALError, match=message) as error:
        build_callbacks({"mine": {"_target_": dotted(callback)}})
    assert str(error.value).startswith(f"callbacks.mine: {callback.__name__}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"mine": 5}, "callbacks.mine=5 is not a mapping"),
        ({"mine": {"_target_": "os.system"}}, "not a class derived from Callback"),
        ({"mine": {"_target_": "elsewhere.Own"}}, r"add trust=\[elsewhere\]"),
        ({"mine": {**ON_LOSS, "patience": 0}}, "callbacks.mine.patience=0"),
        ({"mine": {**ON_LOSS, "patienc": 2}}, "Did you mean 'callbacks.mine.patience'"),
        ({"mine": ON_LOSS, "other": ON_LOSS}, "two of them keep their state"),
    ],
)
def test_errors_of_the_config_are_one_line(config: dict[str, Any], message: str) -> None:
    with pytest.raises(AutoALError, match=message):
        build_callbacks(config)


def test_a_number_that_nobody_makes_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match=r"can't monitor 'val_acc'.*loop\.n_val > 0"):
        built(tmp_path, {"stop": {"_target_": dotted(EarlyStopping)}})

    class Publishes(RoundCallback):
        publishes = ("margin_of_error",)

    stop = EarlyStopping("margin_of_error")
    check_callbacks([Publishes(), stop], ["train_acc"])
    with pytest.raises(AutoALError, match="valid: train_acc"):
        check_callbacks([stop], ["train_acc"])


@pytest.mark.parametrize(("monitor", "mode"), [("val_acc", "max"), ("val_loss", "min"), ("own", "max")])
def test_the_direction_follows_from_the_name(monitor: str, mode: str) -> None:
    assert EarlyStopping(monitor).mode == mode
    assert EarlyStopping(monitor, mode="min").mode == "min"


def test_installed_packages_bring_callbacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "someones_callbacks.py").write_text(
        "from autoal.training.callbacks import RoundCallback\nclass Own(RoundCallback):\n"
        "    def __init__(self, alpha: float = 1.0):\n        self.alpha = alpha\n"
    )
    info = tmp_path / "someones_callbacks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someones-callbacks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autoal.callbacks]\ntheirs = someones_callbacks:Own\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    named = build_callbacks({"theirs": {"alpha": 3}})[0]
    assert (type(named).__name__, vars(named)["alpha"]) == ("Own", 3.0)
    composed = experiment(callbacks=["theirs"]).config.callbacks
    assert composed == {"theirs": {"_target_": "someones_callbacks.Own"}}


def test_the_callback_of_the_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (root / "docs" / "callbacks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "page_callbacks.py").write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = {"_target_": "page_callbacks.HalfAsLong", "epochs": 6}
    config = experiment(strategy="random", trainer="cpu", loop=LOOP, callbacks={"mine": mine}).config
    Experiment.build(config, tmp_path / "run", trust=["page_callbacks"]).run()
    assert rows(tmp_path / "run")["epochs"].tolist() == [6, 3, 3]
