"""A covering sample of training x strategy x data: whole runs, a round and a query each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoal.run.experiment import Experiment
from tests.composed import plain

LOOP = ("trainer=cpu", "loop.stop_train_acc=null", "loop.steps_per_epoch=2", "loop.epochs=2", "loop.n_rounds=1")
# Each method, each kind of strategy (plain, with a hook, with pseudo-labels, with candidates, with networks of its
# own), each kind of data.
COVERING = (
    ("pseudo_label", "waal", "digits"),
    ("mean_teacher", "ceal", "digits"),
    ("fixmatch", "loss_prediction", "digits"),
    ("flexmatch", "autoal", "features"),
    ("freematch", "uherding", "breast_cancer"),
    ("softmatch", "ensemble_var_ratio", "features"),
    ("supervised", "badge", "digits"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("training", "strategy", "dataset"), COVERING)
def test_runs(training: str, strategy: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"{part}_features": rng.normal(size=(150, 6)).astype(np.float32) for part in ("train", "test")}
    labels = {f"{part}_labels": np.arange(150) % 3 for part in ("train", "test")}
    # Weak views are cached, strong ones are noise.
    arrays["train_weak_features"] = arrays["train_features"] + 0.1 * rng.normal(size=(2, 150, 6)).astype(
        np.float32
    )
    np.savez(tmp_path / "features.npz", **arrays, **labels)  # type: ignore[arg-type]
    extra = [f"dataset.path={tmp_path / 'features.npz'}"] if dataset == "features" else []
    config = plain(f"training={training}", f"strategy={strategy}", f"dataset={dataset}", *LOOP, *extra)
    if "ratio" in config["training"]:
        config["training"]["ratio"] = 2
    said = Experiment.build(config, tmp_path / "run").run()
    assert said["status"] == "finished"
    assert said["rounds"] == 2
    assert said.get("training", "supervised, ").startswith(f"{training}, ")


def test_people_skip_and_training_never_sees_it() -> None:
    """What people skip is excluded from the pool, which training draws from."""
    import torch

    from autoal.training.semi.views import UnlabelledViews
    from tests.training.semi.worlds import task_with_steps

    task = task_with_steps()
    views, pool = UnlabelledViews(task), task.data.pool
    assert 40 in views.draw(0, 60).ids
    pool.exclude(torch.tensor([40]))
    assert 40 not in views.draw(0, 59).ids
