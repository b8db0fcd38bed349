"""TCM asks the first strategy until the switch, and the second from there on."""

from __future__ import annotations

import pytest
import torch

from autoal.errors import AutoALError
from autoal.query.registry import build
from autoal.strategies.tcm import TCM
from autoal.testing.tiny import tiny_context, tiny_task
from tests.strategies.wishes import Wish, replace_candidates


def test_switches_after_so_many_rounds() -> None:
    task = tiny_task()
    strategy = TCM(switch=2)
    wishes = [torch.arange(60.0), -torch.arange(60.0)]
    replace_candidates(strategy, [Wish(f"arm{k}", wish) for k, wish in enumerate(wishes)])
    for round_, ids in enumerate(([59, 58], [59, 58], [12, 13], [12, 13])):
        selection = strategy.query(tiny_context(task, strategy, round_=round_), 2)
        assert selection.ids.tolist() == ids
        assert selection.log["tcm_switched"] == float(round_ >= 2)


@pytest.mark.parametrize(("switch", "switched"), [(3.9, 1.0), (4, 1.0), (4.1, 0.0)])
def test_switches_at_so_many_labels_per_class(switch: float, switched: float) -> None:
    # 12 labels of 3 classes.
    strategy = TCM(switch=switch, unit="labels_per_class")
    assert strategy.query(tiny_context(tiny_task(), strategy), 3).log["tcm_switched"] == switched


def test_each_half_is_the_strategy_itself() -> None:
    task = tiny_task()
    for round_, name in ((0, "typiclust"), (3, "margin")):
        strategy = TCM()
        ctx = tiny_context(task, strategy, round_=round_)
        alone = build(name).select(ctx.within("arm", int(round_ > 0)), 5)
        assert strategy.query(ctx, 5).ids.tolist() == ctx.unlabelled.ids[alone.index].tolist()


def test_names_a_strategy_that_is_none() -> None:
    with pytest.raises(AutoALError, match="typiclusst"):
        TCM(first="typiclusst")
    with pytest.raises(AutoALError, match="ceiling"):
        TCM(then="boss")
