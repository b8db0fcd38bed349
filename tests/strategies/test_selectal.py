"""SelectAL's rehearsal against the rule spelled out, and which strategy follows from it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autoal import kernels
from autoal.errors import AutoALError
from autoal.query.contract import QueryContext
from autoal.strategies.selectal import SelectAL
from autoal.testing.tiny import tiny_context, tiny_task
from autoal.training.task import Task
from tests.strategies.wishes import Wish, replace_candidates


def accuracy_without(ctx: QueryContext, task: Task, kind: str, folds: int) -> float:
    ids, y = ctx.labelled_ids.tolist(), ctx.labelled_targets.tolist()
    order = torch.randperm(len(ids), generator=ctx.generator("folds")).tolist()
    hits = 0
    for fold in range(folds):
        held = order[fold::folds]
        train = [i for i in range(len(ids)) if i not in held]
        own = ctx.within("fold", fold, kind)
        gone: list[int] = []
        if kind == "random":
            draw = own.generator("random")
            for label in sorted({y[i] for i in train}):
                mine = [i for i in train if y[i] == label]
                gone += [mine[int(torch.randperm(len(mine), generator=draw)[0])]] if len(mine) > 1 else []
        else:
            targets = torch.tensor([y[i] for i in train])
            rows = kernels.class_representatives(
                ctx.labelled_embeddings[train], targets, 1, own.generator("clusters"), odd=kind == "odd"
            )
            gone = [train[int(r)] for r in rows]
        kept = [i for i in train if i not in gone]
        net = task.initial_net()
        stream = ("selectal", ctx.round, fold)
        task.fit(net, torch.tensor([ids[i] for i in kept]), torch.tensor([y[i] for i in kept]), stream)
        net.eval()
        with torch.no_grad():
            said = net(ctx.inputs(torch.tensor([ids[i] for i in held]))).logits.argmax(1)
        hits += sum(int(s) == y[i] for s, i in zip(said, held, strict=True))
    return hits / len(ids)


def test_the_rehearsal_is_the_rule() -> None:
    task = tiny_task(epochs=4)
    strategy = SelectAL(folds=3)
    ctx = tiny_context(task, strategy)
    log = strategy.query(ctx, 4).log
    for kind in ("random", "typical", "odd"):
        assert log[f"selectal_without_{kind}"] == pytest.approx(accuracy_without(ctx, task, kind, 3)), kind


class Told(SelectAL):
    """Has heard how the rehearsal went."""

    said: tuple[list[float], list[float]]

    def _rehearse(self, ctx: QueryContext) -> tuple[list[float], list[float]]:
        return self.said


@pytest.mark.parametrize(
    ("accuracy", "loss", "candidate"),
    [
        ([0.9, 0.5, 0.8], [1.0, 1.0, 1.0], 1),
        ([0.9, 0.8, 0.5], [1.0, 1.0, 1.0], 2),
        ([0.5, 0.8, 0.9], [1.0, 1.0, 1.0], 0),
        ([0.8, 0.8, 0.8], [1.0, 1.0, 1.0], 0),
        ([0.8, 0.8, 0.8], [1.0, 1.2, 1.3], 2),
    ],
)
def test_what_hurts_most_names_the_strategy(accuracy: list[float], loss: list[float], candidate: int) -> None:
    strategy = Told()
    strategy.said = (accuracy, loss)
    wishes: list[Tensor] = [torch.arange(60.0).roll(20 * k) for k in range(3)]
    replace_candidates(strategy, [Wish(f"arm{k}", wish) for k, wish in enumerate(wishes)])
    ctx = tiny_context(tiny_task(), strategy)
    selection = strategy.query(ctx, 3)
    assert selection.log["selectal_arm"] == candidate
    assert selection.ids.tolist() == Wish("same", wishes[candidate]).query(ctx, 3).ids.tolist()


def test_wants_three_strategies() -> None:
    with pytest.raises(AutoALError, match="three strategies"):
        SelectAL(candidates=["random", "margin"])
