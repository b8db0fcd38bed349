"""Hooks reach training in the documented places, and several act as one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autoal.data.batch import Batch
from autoal.distributed import World
from autoal.models.classifier import Classifier, ClassifierOutput
from autoal.testing.tiny import tiny_task
from autoal.training.hooks import (
    HookList,
    Samples,
    TrainingHook,
    global_size,
    join_hooks,
    reset,
    seeded,
    whole_rows,
)
from autoal.training.lit import LitClassifier


class Constant(TrainingHook):
    """Adds a trained number to the loss, and given samples to the training set."""

    def __init__(self, value: float, samples: Samples | None = None) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.samples = samples
        self.calls: list[tuple[str, ...]] = []

    def on_round_start(self, round_: int) -> None:
        self.calls.append(("round", str(round_)))

    def on_epoch_start(self, round_: int, epoch: int) -> None:
        self.calls.append(("epoch", str(round_), str(epoch)))

    def extra_samples(self) -> Samples | None:
        return self.samples

    def extra_loss(self, net: Classifier, batch: Batch, output: ClassifierOutput) -> Tensor | None:
        return 2.0 * self.value

    def on_round_end(self) -> dict[str, float]:
        return {f"value_{float(self.value):g}": float(self.value)}


def first_batch() -> tuple[LitClassifier, Batch]:
    task = tiny_task()
    raw = next(iter(task.data.train_dataloader()))
    return LitClassifier(task.initial_net(), task.optimizer), task.data.to_network(raw)


@pytest.mark.parametrize("hook", [None, TrainingHook(), Constant(3.0)], ids=["none", "idle", "constant"])
def test_extra_loss_is_added_and_kept_out_of_the_reported_loss(hook: TrainingHook | None) -> None:
    plain, batch = first_batch()
    hooked = LitClassifier(plain.net, plain.recipe, hook)
    expected = float(plain.training_step(batch, 0)) + (6.0 if isinstance(hook, Constant) else 0.0)
    assert float(hooked.training_step(batch, 0)) == pytest.approx(expected, rel=1e-6)
    assert torch.equal(hooked.take_epoch_sums(), plain.take_epoch_sums())
    assert (hooked.take_hook_seconds() > 0) == (hook is not None)
    assert hooked.take_hook_seconds() == 0


def test_parameters_of_a_hook_are_optimised_unless_it_trains_them_itself() -> None:
    plain, _ = first_batch()
    for trained in (True, False):
        hook = Constant(1.0).requires_grad_(trained)
        module = LitClassifier(plain.net, plain.recipe, hook)
        groups = module.configure_optimizers()["optimizer"].param_groups
        assert any(p is hook.value for g in groups for p in g["params"]) == trained


def test_several_hooks_act_as_one() -> None:
    first = Constant(1.0, (torch.tensor([5, 3]), torch.tensor([0, 1])))
    second = Constant(10.0, (torch.tensor([3, 9]), torch.tensor([2, 2])))
    hook = join_hooks([first, None, TrainingHook(), second])
    assert isinstance(hook, HookList)
    module, batch = first_batch()
    term = hook.extra_loss(module.net, batch, None)  # type: ignore[arg-type]
    assert term is not None
    assert float(term) == 22.0
    samples = hook.extra_samples()
    assert samples is not None
    assert samples[0].tolist() == [3, 5, 9]
    assert samples[1].tolist() == [1, 0, 2]  # the first hook's word on sample 3
    hook.on_round_start(4)
    hook.on_epoch_start(4, 2)
    assert first.calls == second.calls == [("round", "4"), ("epoch", "4", "2")]
    assert hook.on_round_end() == {"value_1": 1.0, "value_10": 10.0}
    assert HookList([TrainingHook()]).extra_loss(module.net, batch, None) is None  # type: ignore[arg-type]
    assert HookList([TrainingHook()]).extra_samples() is None
    assert join_hooks([None]) is None
    assert join_hooks([None, first]) is first


def test_seeded_modules_leave_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = (seeded(lambda: nn.Linear(3, 3), s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a.weight, b.weight)
    assert not torch.equal(a.weight, c.weight)
    parameter = c.weight
    reset(c, lambda: nn.Linear(3, 3), 1)
    assert c.weight is parameter
    assert torch.equal(c.weight, a.weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_process_is_its_own_world() -> None:
    _, batch = first_batch()
    assert global_size(batch, World()) == len(batch.ids)
    rows = torch.ones(3, requires_grad=True)
    assert whole_rows(rows, 3, World()) is rows
