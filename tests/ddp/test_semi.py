"""Semi-supervised training on 1, 2 and 3 processes: the same samples, masks and purchases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import lives

METHODS = ("pseudo_label", "mean_teacher", "fixmatch", "flexmatch", "freematch", "softmatch")
SIZES = (1, 2, 3)


@pytest.mark.ddp
@pytest.mark.slow
def test_masks_and_purchases_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    # Batches of 8 and 16 and sums over three ranks: none of them divides.
    words = ("strategy=margin", "trainer.precision=64-true", "loop.n_rounds=1", "loop.epochs=3")
    words += ("loop.steps_per_epoch=4", "loop.n_init=22", "training.ratio=2", "training.warmup=0.2")
    cfgs = {name: lives.config(f"training={name}", *words) for name in METHODS}
    for name in ("pseudo_label", "fixmatch", "flexmatch"):
        cfgs[name]["training"]["threshold"] = 0.2
    for size in SIZES:
        statuses = lives.live_on_ranks(cfgs, tmp_path / f"on{size}", size)
        assert statuses == [0] * size, lives.log_of(tmp_path / f"on{size}" / METHODS[0])
    for name in METHODS:
        alone = tmp_path / "on1" / name
        for size in SIZES[1:]:
            other = tmp_path / f"on{size}" / name
            assert lives.bought(other) == lives.bought(alone), f"{name} on {size} ranks"
            pairs = zip(lives.outcome(alone)["rounds"], lives.outcome(other)["rounds"], strict=True)
            for mine, theirs in pairs:
                assert mine["test_acc"] == theirs["test_acc"]
                # One sample more or less in one mask would be a change of 1 / (16 * 12).
                for column in ("unlabelled_used", "unlabelled_loss", "test_loss"):
                    assert float(theirs[column]) == pytest.approx(float(mine[column]), rel=1e-8), (name, column)
        used = float(lives.outcome(alone)["rounds"][0]["unlabelled_used"])
        assert 0.05 < used <= 1
