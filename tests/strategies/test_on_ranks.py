"""Strategies that train along with the classifier buy the same labels on one process and on two."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import lives

OPTIONS = {
    "loss_prediction": ("strategy.detach_epoch=2",),
    "waal": ("strategy.weight=0.1",),
    "ceal": ("strategy.threshold=2.2",),
    "vaal": ("strategy.max_steps=4", "strategy.width=4"),
    "ensemble_var_ratio": ("strategy.members=3", "strategy.warm=true"),
    "albl": ("strategy.candidates=[margin,loss_prediction,waal]",),
}
# Odd sizes: a last batch may hold fewer samples than there are ranks.
SETTING = (
    *("loop.n_init=21", "loop.n_query=7", "loop.batch_size=4", "loop.n_rounds=2", "loop.epochs=3"),
    *("trainer.precision=64-true", "optimizer.lr=0.01"),
)


@pytest.mark.ddp
@pytest.mark.parametrize(
    "names", [("loss_prediction",), pytest.param(tuple(OPTIONS), marks=pytest.mark.slow)], ids=["one", "all"]
)
def test_same_purchases_and_same_diagnostics(names: tuple[str, ...], tmp_path: Path) -> None:
    configs = {n: lives.config(f"strategy={n}", *OPTIONS[n], *SETTING) for n in names}
    for size in (1, 2):
        statuses = lives.live_on_ranks(configs, tmp_path / f"on{size}", size)
        assert statuses == [0] * size, lives.log_of(tmp_path / f"on{size}" / next(iter(configs)))
    for name in names:
        alone, both = (tmp_path / f"on{size}" / name for size in (1, 2))
        assert lives.bought(both) == lives.bought(alone), name
        for mine, theirs in zip(lives.outcome(alone)["rounds"], lives.outcome(both)["rounds"], strict=True):
            assert mine.keys() == theirs.keys()
            for column in mine:
                if mine[column] and "seconds" not in column and not column.startswith("time"):
                    assert float(theirs[column]) == pytest.approx(float(mine[column]), rel=1e-5), (name, column)
    if "ceal" in names:
        pseudo = [row["ceal_pseudo_labels"] for row in lives.outcome(tmp_path / "on2" / "ceal")["rounds"][:-1]]
        assert all(float(n) > 0 for n in pseudo)
