"""The Lightning loop against a training loop written by hand, and its parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from autoal.data.loader import EvalLoader, TrainLoader, cycled_batches, global_batches
from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.rng import generator, sample_uniform, stream_seed
from autoal.run.experiment import Experiment
from autoal.testing.tiny import tiny_task
from autoal.training.evaluation import evaluate
from autoal.training.inference import Needs, pool_pass
from autoal.training.optim import OptimizerRecipe
from tests.composed import composed

SMALL = ["trainer=cpu", "loop.n_init=30", "loop.n_query=15", "loop.n_rounds=2", "loop.epochs=20"]


def experiment(root: Path, run_dir: Path, *overrides: str) -> Experiment:
    return Experiment.build(composed(*SMALL, *overrides), run_dir)


def rounds(run_dir: Path) -> pd.DataFrame:
    return pd.read_csv(run_dir / "rounds.csv")


def ledger(run_dir: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run_dir / "ledger.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "time"} for line in lines]


def test_a_round_equals_a_hand_written_training_loop(root: Path, tmp_path: Path) -> None:
    """No Lightning, no loader, no task: the last round's labels, the same initial weights, plain torch."""
    run = experiment(root, tmp_path / "run", "strategy=margin", "seed=4")
    run.run()
    data = run.task.data
    row = rounds(tmp_path / "run").iloc[-1]
    images = data.split("train").source.fetch(torch.arange(1200)).float() / 255
    x = (images - 0.3053) / 0.3763
    ids = torch.tensor(sorted(line["id"] for line in ledger(tmp_path / "run")))
    labels = {line["id"]: line["label"] for line in ledger(tmp_path / "run")}
    y = torch.tensor([labels[int(i)] for i in ids])

    net = run.task.initial_net()
    w1, w2 = net.backbone.layers[0], net.head
    optimizer = torch.optim.Adam([*w1.parameters(), *w2.parameters()], lr=1e-3)
    for epoch in range(20):
        order = torch.randperm(60, generator=generator(4, "order", "task", 2, epoch))
        key = stream_seed(stream_seed(4, "epoch", "task", 2, epoch), "dropout")
        right = 0
        for rows in order.split(32):
            hidden = torch.relu(w1(x[ids[rows]].flatten(1)))
            keep = sample_uniform(key, ids[rows], 256) >= 0.5
            logits = w2(hidden * keep / 0.5)
            right += int((logits.argmax(1) == y[rows]).sum())
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, y[rows]).backward()
            optimizer.step()
        if right / 60 >= 0.99:
            break
    test = data.split("test")
    t = (test.source.fetch(torch.arange(597)).float() / 255 - 0.3053) / 0.3763
    with torch.no_grad():
        accuracy = (w2(torch.relu(w1(t.flatten(1)))).argmax(1) == test.targets).float().mean()
    assert row["epochs"] == epoch + 1
    assert row["test_acc"] == pytest.approx(float(accuracy), abs=1e-6)


def test_task_fit_is_the_same_training(root: Path, tmp_path: Path) -> None:
    """Networks that strategies train go through the protocol that the task model goes through."""
    run = experiment(root, tmp_path / "run", "strategy=random", "loop.n_rounds=0")
    summary = run.run()
    data, task = run.task.data, run.task
    net = task.initial_net()
    result = task.fit(net, data.pool.labelled, data.pool.labels(data.pool.labelled), ("task", 0))
    assert evaluate(net, data, "test").accuracy == pytest.approx(summary["final_acc"], abs=1e-12)
    assert result.epochs == rounds(tmp_path / "run")["epochs"].iloc[0]


def test_same_command_same_ledger_and_shared_start(root: Path, tmp_path: Path) -> None:
    names = ["random", "margin", "kmeans"]
    for name in [*names, "margin"]:
        where = tmp_path / (name if not (tmp_path / name).exists() else "again")
        experiment(root, where, f"strategy={name}", "seed=2", "loop.epochs=8").run()
    assert ledger(tmp_path / "margin") == ledger(tmp_path / "again")
    columns = [c for c in rounds(tmp_path / "margin") if not c.startswith("seconds")]
    pd.testing.assert_frame_equal(rounds(tmp_path / "margin")[columns], rounds(tmp_path / "again")[columns])
    first = [rounds(tmp_path / n)["test_acc"].iloc[0] for n in names]
    assert len(set(first)) == 1  # bit-equal round 0
    starts = [[line["id"] for line in ledger(tmp_path / n) if line["source"] == "init"] for n in names]
    assert all(s == starts[0] for s in starts)
    queries = [[line["id"] for line in ledger(tmp_path / n) if line["source"] == "query"] for n in names]
    assert len({tuple(q) for q in queries}) == len(names)


def test_files_of_a_run(root: Path, tmp_path: Path) -> None:
    summary = experiment(root, tmp_path / "run", "strategy=entropy").run()
    files = {p.relative_to(tmp_path / "run").as_posix() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert {
        ".hydra/config.yaml",
        ".hydra/overrides.yaml",
        "ledger.jsonl",
        "rounds.csv",
        "summary.json",
        "checkpoints/last.ckpt",
        "curve.png",
        "train.log",
    } <= files
    assert summary["status"] == "finished"
    table = rounds(tmp_path / "run")
    assert table["n_labeled"].tolist() == [30, 45, 60]
    assert summary["final_acc"] == table["test_acc"].iloc[-1]
    sources = pd.Series([line["source"] for line in ledger(tmp_path / "run")])
    assert sources.value_counts().to_dict() == {"init": 30, "query": 30}


def test_validation_labels_are_charged(root: Path, tmp_path: Path) -> None:
    run = experiment(
        root, tmp_path / "run", "strategy=margin", "loop.n_val=25", "loop.patience=2", "loop.keep_best=true"
    )
    summary = run.run()
    lines = ledger(tmp_path / "run")
    assert sum(line["source"] == "val" for line in lines) == 25
    assert len({line["id"] for line in lines}) == 25 + 60
    assert summary["n_val"] == 25
    assert rounds(tmp_path / "run")["val_acc"].between(0, 1).all()


def test_warm_start_keeps_the_weights(root: Path, tmp_path: Path) -> None:
    cold = experiment(root, tmp_path / "cold", "strategy=random", "loop.stop_train_acc=0.7")
    warm = experiment(
        root, tmp_path / "warm", "strategy=random", "loop.stop_train_acc=0.7", "loop.warm_start=true"
    )
    assert cold.run()["final_acc"] > 0
    assert warm.run()["final_acc"] > 0
    tables = [rounds(tmp_path / n)["epochs"].tolist() for n in ("cold", "warm")]
    assert tables[0][0] == tables[1][0]
    assert tables[1][1] < tables[0][1]


def test_a_diverging_run_is_marked_failed_and_keeps_its_ledger(root: Path, tmp_path: Path) -> None:
    # Each step multiplies the weights by 1 - 1e6.
    steep = ("optimizer=sgd", "optimizer.lr=1000", "optimizer.weight_decay=1000")
    run = experiment(root, tmp_path / "run", "strategy=margin", *steep)
    with pytest.raises(AutoALError, match="training loss is"):
        run.run()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "training loss" in summary["message"]
    assert len(ledger(tmp_path / "run")) == 30


def test_a_directory_with_a_run_is_left_alone(root: Path, tmp_path: Path) -> None:
    experiment(root, tmp_path / "run", "strategy=random", "loop.n_rounds=0").run()
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    with pytest.raises(AutoALError, match="already holds a run"):
        experiment(root, tmp_path / "run", "strategy=margin", "loop.n_rounds=0").run()
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def test_pool_pass_is_independent_of_batches_and_order_of_magnitude() -> None:
    task = tiny_task()
    net, data = task.initial_net(), task.data
    ids = data.pool.unlabelled
    whole = pool_pass(net, data, ids, Needs(embeddings=True, mc_samples=4), mc_key=3)
    data.eval_batch_size = 7
    parts = pool_pass(net, data, ids, Needs(embeddings=True, mc_samples=4), mc_key=3)
    torch.testing.assert_close(whole.logits, parts.logits)
    torch.testing.assert_close(whole.mc_logits, parts.mc_logits)
    assert whole.mc_logits is not None
    assert whole.mc_logits.shape == (4, 48, 3)
    assert not torch.allclose(whole.mc_logits[0], whole.mc_logits[1])
    rows = torch.tensor([5, 0, 11])
    assert torch.equal(whole.take(rows).ids, ids[rows])
    torch.testing.assert_close(net.head(whole.embeddings), whole.logits)


def test_mc_logits_are_head_dropout() -> None:
    net = tiny_task().initial_net()
    embedding = torch.rand(5, net.embedding_dim)
    logits = net.mc_logits(embedding, 3, key=9, chunk=2)
    keep = sample_uniform(9, torch.arange(3), net.embedding_dim) >= 0.5
    for t in range(3):
        torch.testing.assert_close(logits[t], net.head(embedding * keep[t] / 0.5))


@pytest.mark.parametrize("n", [1, 2, 7, 16, 17, 33])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_global_batches_do_not_depend_on_ranks(n: int, size: int) -> None:
    task = tiny_task()
    source = task.data.split("train").source
    ids, targets = torch.arange(n) + 5, torch.arange(n) % 3

    def epoch(world: World) -> list[Any]:
        return list(TrainLoader(source, ids, targets, 8, generator(0, "o"), 1, world))

    single = epoch(World())
    ranks = [epoch(World(r, size)) for r in range(size)]
    assert all(len(r) == len(single) for r in ranks)
    assert sorted(torch.cat([b.ids for b in single]).tolist()) == ids.tolist()
    for step, batch in enumerate(single):
        assert batch.weights.sum() == pytest.approx(1.0)
        parts = [r[step] for r in ranks]
        kept = torch.cat([p.ids[p.weights > 0] for p in parts])
        assert sorted(kept.tolist()) == sorted(batch.ids.tolist())
        # The mean over ranks of the weighted sums is the mean over the batch.
        total = sum(float((p.weights * p.ids).sum()) for p in parts) / size
        assert total == pytest.approx(float(batch.ids.double().mean()))


def test_no_batch_of_one_sample_where_two_are_to_be_had() -> None:
    assert [len(b) for b in global_batches(17, 8, None)] == [8, 9]
    assert [len(b) for b in global_batches(1, 8, None)] == [1]
    assert [len(b) for b in global_batches(9, 8, None)] == [9]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_eval_shards_cover_everything_once(size: int) -> None:
    source = tiny_task().data.split("train").source
    shards = [EvalLoader(source, torch.arange(60)[:37], 8, World(r, size)) for r in range(size)]
    assert sorted(torch.cat([s.ids for s in shards]).tolist()) == list(range(37))
    assert sum(len(batch) for s in shards for batch in s) == 37


def test_decay_of_the_weights_alone_and_the_slow_cosine() -> None:
    config = {"_target_": "torch.optim.SGD", "lr": 1.0, "weight_decay": 0.1}
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    recipe = OptimizerRecipe({**config, "decay": "weights", "schedule": "cosine_7_16"}, 16)
    groups = recipe.optimizer(net.parameters()).param_groups
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]
    assert [[tuple(p.shape) for p in g["params"]] for g in groups] == [[(3, 2)], [(3,), (3,), (3,)]]
    assert len(OptimizerRecipe(config, 16).optimizer(net.parameters()).param_groups) == 1
    assert [recipe.factor(e) for e in (0, 8, 16)] == pytest.approx([1.0, 0.77301, 0.19509], abs=1e-5)


def test_labels_are_cycled_for_a_set_number_of_steps() -> None:
    places = torch.cat(cycled_batches(5, 4, generator(0, "order"), 10), dim=1)
    assert places.shape == (2, 40)
    for number in range(8):
        assert sorted(places[0, places[1] == number].tolist()) == list(range(5)), (
            "each pass takes every sample once"
        )
    task = tiny_task()
    task.data.steps_per_epoch = 4
    for size in (1, 3):
        batches: list[list[Any]] = []
        for rank in range(size):
            task.data.world = World(rank, size)
            batches.append(list(task.data.train_dataloader()))
        assert [len(found) for found in batches] == [4] * size
        for step in range(4):
            mine = [found[step] for found in batches]
            assert sum(len(b.ids) for b in mine) == 8
            assert sum(float(b.weights.sum()) for b in mine) == pytest.approx(size)
            for b in mine:
                assert torch.equal(b.keys % 60, b.ids), "another draw in each pass"
    task.data.world = World()
    task.data.start_batch = 3
    rest = list(task.data.train_dataloader())
    assert torch.equal(rest[0].keys.sort().values, torch.cat([b[3].keys for b in batches]).sort().values)
    net = task.initial_net()
    ids = task.data.pool.labelled
    assert task.fit(net, ids, task.data.pool.labels(ids), ("member", 0)).steps == 8
