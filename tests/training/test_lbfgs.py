"""A head trained to its optimum: scikit-learn's, in one epoch of the same Lightning loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from autoal.data.digits import Digits
from autoal.errors import AutoALError
from autoal.run.experiment import Experiment
from autoal.training.hooks import seeded
from autoal.training.lbfgs import LBFGS
from autoal.training.lit import LitClassifier
from tests.composed import plain
from tests.faults import lives

HEAD = ("backbone=linear", "optimizer=lbfgs", "loop.stop_train_acc=null", "loop.n_rounds=1")


def head_config(*overrides: str) -> dict[str, Any]:
    small = [word for word in lives.TINY if not word.startswith("backbone.")]
    return plain(*small, *overrides)


def blobs(n: int, seed: int, dim: int = 20, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Clusters that overlap."""
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, dim, generator=torch.Generator().manual_seed(9))
    y = torch.randint(0, classes, (n,), generator=rng)
    return centres[y] + 1.5 * torch.randn(n, dim, generator=rng), y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "l2"), [(50, 1e-2), (50, 1e-4), (210, 1e-2), (210, 1.0)])
def test_the_optimum_is_that_of_logistic_regression(n: int, l2: float, dtype: torch.dtype) -> None:
    x, y = blobs(n, seed=0)
    head = seeded(lambda: nn.Linear(20, 4), 0).to(dtype)
    optimizer = LBFGS(head.parameters(), l2=l2)
    looks = 0

    def closure() -> Tensor:
        nonlocal looks
        looks += 1
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(head(x.to(dtype)), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert optimizer.converged
    peer = LogisticRegression(C=1 / (n * l2), tol=1e-8, max_iter=5000).fit(x.numpy(), y.numpy())

    def objective(weight: np.ndarray, bias: np.ndarray) -> float:
        logits = torch.tensor(x.numpy().astype(np.float64) @ weight.T + bias)
        return float(nn.functional.cross_entropy(logits, y) + l2 / 2 * (weight**2).sum())

    ours = objective(head.weight.detach().double().numpy(), head.bias.detach().double().numpy())
    theirs = objective(peer.coef_.astype(np.float64), peer.intercept_.astype(np.float64))
    assert ours <= theirs * (1 + 2e-3)
    test, _ = blobs(2000, seed=1)
    same = head(test.to(dtype)).argmax(1).numpy() == peer.predict(test.numpy())
    assert same.mean() > 0.99  # a flat optimum leaves the nearest calls open
    assert looks < 300


def test_an_experiment_trains_to_the_optimum_in_one_epoch(tmp_path: Path) -> None:
    cfg = head_config("strategy=margin", *HEAD, "loop.n_init=60", "optimizer.l2=0.01")
    assert lives.live_on_ranks({"run": cfg}, tmp_path, 1) == [0]
    rows = pd.read_csv(tmp_path / "run" / "rounds.csv")
    assert rows["epochs"].tolist() == [1, 1]
    splits = Digits().load(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    ids = torch.tensor([line["id"] for line in lines if line["round"] == 0])
    x = (splits["train"].source.fetch(ids).double() / 255 - 0.3053) / 0.3763
    test = (splits["test"].source.fetch(torch.arange(len(splits["test"]))).double() / 255 - 0.3053) / 0.3763
    y = np.array([line["label"] for line in lines if line["round"] == 0])
    peer = LogisticRegression(C=1 / (60 * 0.01), tol=1e-8, max_iter=5000).fit(x.flatten(1).numpy(), y)
    assert rows["test_acc"][0] == pytest.approx(
        peer.score(test.flatten(1).numpy(), splits["test"].targets.numpy()), abs=0.002
    )
    assert rows["train_acc"][0] == pytest.approx(peer.score(x.flatten(1).numpy(), y), abs=0.02)


def test_dropout_serves_the_passes_and_not_the_training(tmp_path: Path) -> None:
    cfgs = {str(rate): head_config("strategy=random", *HEAD, f"backbone.dropout={rate}") for rate in (0.0, 0.3)}
    cfgs["bald"] = head_config("strategy=bald", *HEAD, "backbone.dropout=0.3")
    assert lives.live_on_ranks(cfgs, tmp_path, 1) == [0]
    first, second = (pd.read_csv(tmp_path / name / "rounds.csv") for name in ("0.0", "0.3"))
    assert first["test_acc"].tolist() == second["test_acc"].tolist()
    assert first["test_loss"].tolist() == second["test_loss"].tolist()
    scores = [json.loads(line)["score"] for line in (tmp_path / "bald" / "ledger.jsonl").read_text().splitlines()]
    assert max(s for s in scores if s is not None) > 0


@pytest.mark.ddp
def test_ranks_go_to_the_same_optimum(tmp_path: Path) -> None:
    double = (*HEAD, "trainer.precision=64-true", "loop.n_init=31", "loop.n_query=7")
    cfg = {"run": head_config("strategy=margin", *double)}
    for size in (1, 2):
        assert lives.live_on_ranks(cfg, tmp_path / str(size), size) == [0] * size
    alone, both = (tmp_path / str(size) / "run" for size in (1, 2))
    assert lives.bought(alone) == lives.bought(both)
    first, second = (pd.read_csv(run / "rounds.csv") for run in (alone, both))
    assert first["test_acc"].tolist() == second["test_acc"].tolist()
    assert first["train_acc"].tolist() == second["train_acc"].tolist()


def test_half_precision_is_refused_in_one_line(tmp_path: Path) -> None:
    config = head_config(*HEAD, "trainer.precision=bf16-mixed")
    with pytest.raises(AutoALError, match=r"optimizer=lbfgs.*trainer\.precision=32-true or 64-true"):
        Experiment.build(config, tmp_path / "run")


@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_looks_that_spare_lightning_give_the_same_bits(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = head_config("strategy=margin", *HEAD, "loop.n_init=40", f"trainer.precision={precision}")
    weights = []
    for name in ("spared", "all"):
        if name == "all":
            monkeypatch.setattr(LitClassifier, "_looks_are_plain", lambda self: False)
        made = Experiment.build(cfg, tmp_path / name)
        made.show = False
        made.run()
        weights.append(made.module.net.state_dict())
    assert lives.bought(tmp_path / "spared") == lives.bought(tmp_path / "all")
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[1])
    rows = [pd.read_csv(tmp_path / name / "rounds.csv").filter(regex="^(?!seconds)") for name in ("spared", "all")]
    pd.testing.assert_frame_equal(*rows)
