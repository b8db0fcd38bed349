"""The same labels on 1, 2 and 3 processes, for pool sizes that don't divide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoal.config.command_line import choices
from tests.contract.tiny_options import TINY
from tests.faults import lives

SIZES = (1, 2, 3)
DETERMINISTIC = ("margin", "entropy_mc", "kcenter", "badge", "kmeans", "autoal", "autoal_search")

# The pool has 1,200 - 22 = 1,178 samples, 2 more than a multiple of 3, and the test set 597; batches of 8
# leave a rest too. With n_init odd, a last batch may hold fewer samples than there are ranks.
ODD = ("loop.n_init=22", "loop.n_query=7", "loop.batch_size=8")

STOPPED = (
    "callbacks=early_stopping",
    "callbacks.early_stopping.patience=1",
    "callbacks.early_stopping.monitor=train_loss",
    "callbacks.early_stopping.min_delta=100",
)
"""Nothing gets better by that much: a round ends after its second epoch."""

# Each rank keeps its share of the features even of so small a pool, or all of them.
SPREAD, WHOLE = ("trainer.spread_from_mib=0",), ("trainer.spread_from_mib=64",)


def _run(folder: Path, size: int, cfgs: dict[str, dict[str, Any]]) -> None:
    statuses = lives.live_on_ranks(cfgs, folder, size)
    assert statuses == [0] * size, lives.log_of(folder / next(iter(cfgs)))


def _rows(run_dir: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = lives.outcome(run_dir)["rounds"]
    return rows


@pytest.mark.ddp
@pytest.mark.parametrize(
    ("names", "sizes", "kept"),
    [
        (("margin", "kcenter", "badge"), (2,), SPREAD),
        pytest.param(DETERMINISTIC, SIZES[1:], SPREAD, marks=pytest.mark.slow),
        pytest.param(DETERMINISTIC, SIZES[1:], WHOLE, marks=pytest.mark.slow),
    ],
    ids=["three", "all", "all-whole"],
)
def test_a_whole_experiment_in_float64(
    names: tuple[str, ...], sizes: tuple[int, ...], kept: tuple[str, ...], tmp_path: Path
) -> None:
    double = (*ODD, *kept, "trainer.precision=64-true", "loop.n_rounds=2", "loop.epochs=3")
    cfgs = {name: lives.config(f"strategy={name}", *double) for name in names}
    cfgs["stopped"] = lives.config("strategy=margin", *double, *STOPPED)
    for size in (1, *sizes):
        _run(tmp_path / f"on{size}", size, cfgs)
    assert {row["epochs"] for row in _rows(tmp_path / "on1" / "stopped")} == {"2"}
    for name in cfgs:
        alone = tmp_path / "on1" / name
        for size in sizes:
            other = tmp_path / f"on{size}" / name
            assert lives.bought(other) == lives.bought(alone), f"{name} on {size} ranks"
            for mine, theirs in zip(_rows(alone), _rows(other), strict=True):
                assert mine["test_acc"] == theirs["test_acc"]
                assert mine["train_acc"] == theirs["train_acc"]
                assert float(mine["test_loss"]) == pytest.approx(float(theirs["test_loss"]), rel=1e-9)
            summary = json.loads((other / "summary.json").read_text())
            assert summary["world_size"] == size
            assert not (tmp_path / f"on{size}" / f"rank{size - 1}" / name).exists(), "rank 0 alone writes"


@pytest.mark.ddp
@pytest.mark.slow
def test_every_strategy_buys_the_same_given_the_same_weights(tmp_path: Path) -> None:
    # One epoch in float64 from equal weights: what differs between the ranks' networks is the last bit.
    once = (*ODD, *SPREAD, "trainer.precision=64-true", "loop.n_rounds=1", "loop.epochs=1")
    names = [n for n in choices("strategy") if n not in DETERMINISTIC and not n.startswith("autoal")]
    cfgs = {n: lives.config(f"strategy={n}", *once) for n in names}
    for name, options in TINY.items():
        if name in cfgs:
            cfgs[name]["strategy"].update(options)
    for size in SIZES:
        _run(tmp_path / f"on{size}", size, cfgs)
    for name in names:
        for size in SIZES[1:]:
            assert lives.bought(tmp_path / f"on{size}" / name) == lives.bought(tmp_path / "on1" / name), name


@pytest.mark.ddp
@pytest.mark.slow
def test_float32_agrees_within_noise(tmp_path: Path) -> None:
    # The ids of random don't depend on the network, so the accuracies differ by rounding alone; those of
    # margin may differ in their ids, and their accuracies by what other samples of the same kind teach.
    cfgs = {n: lives.config(f"strategy={n}", *ODD, "loop.epochs=30") for n in ("random", "margin")}
    for size in SIZES:
        _run(tmp_path / f"on{size}", size, cfgs)
    for name, tolerance in (("random", 0.01), ("margin", 0.1)):
        alone = [float(r["test_acc"]) for r in _rows(tmp_path / "on1" / name)]
        for size in SIZES[1:]:
            other = [float(r["test_acc"]) for r in _rows(tmp_path / f"on{size}" / name)]
            assert other == pytest.approx(alone, abs=tolerance)


@pytest.mark.ddp
def test_a_rank_without_rows_in_mixed_precision(tmp_path: Path) -> None:
    # Two samples are left for three ranks; the others' outputs come from a network under autocast.
    few = ("loop.n_init=1198", "loop.n_query=2", "loop.n_rounds=1", "loop.epochs=1", "loop.batch_size=600")
    options = (*few, *SPREAD, "trainer.precision=bf16-mixed")
    cfgs = {name: lives.config(f"strategy={name}", *options) for name in ("kcenter", "bald")}
    _run(tmp_path, 3, cfgs)
    for name in cfgs:
        assert sorted(i for _, i in lives.bought(tmp_path / name)) == list(range(1200)), name
