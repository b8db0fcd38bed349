"""CEAL: pseudo-labels of confident samples live one round and are never bought."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from autoal.data.digits import Digits
from autoal.errors import AutoALError
from autoal.query.registry import build
from autoal.strategies.ceal import CEAL, PseudoLabels
from autoal.training.hooks import HookList
from tests.strategies.planted import context, planted_task, train_with_hook, two_clusters
from tests.strategies.runs import assert_resumes, experiment, ledger, rows


def test_confident_samples_train_for_one_round_with_their_predicted_class() -> None:
    inputs, remote = two_clusters()
    task = planted_task(inputs, remote.long(), torch.arange(40))
    strategy = CEAL("margin", threshold=0.05)
    hook = strategy.training_hook(task)
    assert isinstance(hook, PseudoLabels)
    module = train_with_hook(task, hook)
    assert hook.extra_samples() is None
    ctx = context(task, strategy, module.net)
    selection = strategy.query(ctx, 10)
    assert hook.extra_samples() is None  # proposed, not yet in use

    data = task.data
    data.pool.add(selection.ids, data.oracle.buy(selection.ids))
    hook.on_round_start(1)
    samples = hook.extra_samples()
    assert samples is not None
    p = torch.softmax(ctx.unlabelled.logits.double(), 1)
    sure = -(p * p.log()).sum(1) < strategy.threshold(0)
    assert samples[0].tolist() == ctx.unlabelled.ids[sure].tolist()
    assert samples[1].tolist() == ctx.unlabelled.logits.argmax(1)[sure].tolist()

    data.round, data.epoch = 1, 0
    batches = list(data.train_dataloader())
    ids = torch.cat([b.ids for b in batches])
    bought = data.pool.labelled
    assert len(ids) == len(ids.unique())
    assert set(ids.tolist()) == set(bought.tolist()) | set(samples[0].tolist())
    classes = dict(zip(ids.tolist(), torch.cat([b.targets for b in batches]).tolist(), strict=True))
    assert all(classes[int(i)] == int(y) for i, y in zip(bought, data.pool.labels(bought), strict=True))
    with pytest.raises(AutoALError, match="not been bought"):
        data.pool.labels(samples[0])

    hook.on_round_start(2)
    assert hook.extra_samples() is None


def test_bought_labels_win_over_pseudo_labels() -> None:
    inputs, remote = two_clusters()
    task = planted_task(inputs, remote.long(), torch.arange(40))
    task.data.extra_samples = lambda: (torch.arange(60), 1 - remote.long()[:60])
    loader = task.data.train_dataloader()
    seen = {int(i): int(y) for b in loader for i, y in zip(b.ids, b.targets, strict=True)}
    assert [seen[i] for i in range(40)] == remote.long()[:40].tolist()
    assert [seen[i] for i in range(40, 60)] == (1 - remote.long())[40:60].tolist()


def test_the_default_pseudo_labels_what_a_small_network_is_sure_of(tmp_path: Path) -> None:
    run = experiment(tmp_path, "strategy=ceal", "optimizer.lr=0.01", "loop.epochs=30")
    run.run()
    proposed = rows(tmp_path)["ceal_pseudo_labels"].dropna()
    assert 0 < proposed.sum() < 0.5 * len(proposed) * 1200


def test_threshold_falls_and_stays_positive() -> None:
    strategy = CEAL(threshold=5e-5, decay=3.3e-7)
    values = [strategy.threshold(t) for t in range(2000)]
    assert values[0] == 5e-5
    assert values[0] - values[1] == pytest.approx(3.3e-7, rel=0.01)
    assert all(a > b > 0 for a, b in itertools.pairwise(values))


def test_hooks_of_the_base_are_kept() -> None:
    task = planted_task(
        torch.randn(60, 4, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 2, torch.arange(9)
    )
    hook = build({"name": "ceal", "base": {"name": "loss_prediction", "weight": 0.5}}).training_hook(task)
    assert isinstance(hook, HookList)
    assert len(hook.hooks) == 2
    module = train_with_hook(task, hook)
    assert set(module.state_dict()) > {"hook.hooks.0.predictor.out.weight"}
    assert "lpl_ranking_loss" in hook.on_round_end()


def test_refuses_bad_options() -> None:
    with pytest.raises(AutoALError, match="threshold=0"):
        CEAL(threshold=0)
    with pytest.raises(AutoALError, match="margin"):
        CEAL(base="margn")


def test_composes_on_the_command_line_and_leaves_the_ledger_alone(tmp_path: Path) -> None:
    run = experiment(
        tmp_path,
        "strategy=ceal",
        "strategy.base=badge",
        "strategy.threshold=0.3",
        "optimizer.lr=0.02",
        "loop.epochs=15",
        "loop.batch_size=64",
    )
    run.run()
    assert run.strategy.base.name == "badge"  # type: ignore[attr-defined]
    table = rows(tmp_path)
    assert (table["ceal_pseudo_labels"].dropna() > 0).all()
    lines = ledger(tmp_path)
    assert [line["source"] for line in lines] == ["init"] * 40 + ["query"] * 60
    truth = Digits().load(Path())["train"].targets
    assert all(line["label"] == int(truth[line["id"]]) for line in lines)
    assert len({line["id"] for line in lines}) == 100


@pytest.mark.slow  # test_stops.py ends and resumes it in every quick run
def test_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(
        tmp_path,
        monkeypatch,
        "strategy=ceal",
        "strategy.base=margin",
        "strategy.threshold=0.1",
        "optimizer.lr=0.01",
        "loop.epochs=30",
    )
