"""Semi-supervised training on 1, 2 and 3 processes: the same samples, masks and purchases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.composed import plain
from tests.faults import lives

METHODS = ("pseudo_label", "mean_teacher", "fixmatch", "flexmatch", "freematch", "softmatch")
SIZES = (1, 2, 3)
# Batches of 8 and 16 and sums over three ranks: none of them divides.
WORDS = (
    *("strategy=margin", "trainer.precision=64-true", "training.ratio=2", "training.warmup=0.2"),
    *("loop.n_init=22", "loop.n_rounds=1", "loop.epochs=3", "loop.steps_per_epoch=4"),
)


def assert_ranks_agree(cfgs: dict[str, dict[str, Any]], folder: Path) -> None:
    for name in set(cfgs) & {"pseudo_label", "fixmatch", "flexmatch"}:
        cfgs[name]["training"]["threshold"] = 0.2
    for size in SIZES:
        statuses = lives.live_on_ranks(cfgs, folder / f"on{size}", size)
        assert statuses == [0] * size, lives.log_of(folder / f"on{size}" / next(iter(cfgs)))
    for name in cfgs:
        alone = folder / "on1" / name
        for size in SIZES[1:]:
            other = folder / f"on{size}" / name
            assert lives.bought(other) == lives.bought(alone), f"{name} on {size} ranks"
            pairs = zip(lives.outcome(alone)["rounds"], lives.outcome(other)["rounds"], strict=True)
            for mine, theirs in pairs:
                assert mine["test_acc"] == theirs["test_acc"]
                # One sample more or less in one mask would be a change of 1 / (16 * 12).
                for column in ("unlabelled_used", "unlabelled_loss", "test_loss"):
                    assert float(theirs[column]) == pytest.approx(float(mine[column]), rel=1e-8), (name, column)
        used = float(lives.outcome(alone)["rounds"][0]["unlabelled_used"])
        assert 0.05 < used <= 1


@pytest.mark.ddp
@pytest.mark.slow
def test_masks_and_purchases_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    assert_ranks_agree({name: lives.config(f"training={name}", *WORDS) for name in METHODS}, tmp_path)


@pytest.mark.ddp
@pytest.mark.slow
def test_nor_do_they_with_views_that_were_made_beforehand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(250) % 3
    data = tmp_path / "features"
    data.mkdir()
    for part in ("train", "test"):
        np.save(data / f"{part}_labels.npy", labels)
        x = rng.normal(size=(250, 6)) + 2 * np.eye(3, 6)[labels]
        np.save(data / f"{part}_features.npy", x.astype(np.float16))
        if part == "train":
            for kind, noise in (("weak", 0.2), ("strong", 1.0)):
                views = x + noise * rng.normal(size=(3, 250, 6))
                np.save(data / f"train_{kind}_features.npy", views.astype(np.float16))
    small = [word for word in lives.TINY if not word.startswith("backbone.")]
    words = (*small, "dataset=features", f"dataset.path={data}", "backbone=linear", *WORDS)
    methods = ("fixmatch", "freematch", "mean_teacher")
    assert_ranks_agree({name: plain(f"training={name}", *words) for name in methods}, tmp_path)
