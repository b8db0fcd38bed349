"""Semi-supervised methods: what they draw, what they leave alone, and that they help where they should."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.testing.contract import Forbidden
from autoal.training.inference import evaluating
from autoal.training.method import Supervised, TrainingMethod
from autoal.training.semi.consistency import ConsistencyHook
from autoal.training.semi.fixmatch import FixMatch
from autoal.training.semi.hook import UnlabelledHook
from autoal.training.semi.views import UnlabelledViews
from tests.strategies.planted import train_with_hook
from tests.training.semi.worlds import METHODS, NOISE, method, moons, task_with_steps

ARGUMENTS = {name: inspect.signature(type(method(name)).__init__).parameters for name in METHODS}


def weights_of(made: TrainingMethod, **options: Any) -> dict[str, Tensor]:
    """Train on the tiny images and return the classifier."""
    task = task_with_steps(**options)
    return dict(train_with_hook(task, made.hook(task)).net.state_dict())


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, b[key]) for key, value in a.items())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_without_weight_it_is_supervised_bit_for_bit(name: str, ema: float) -> None:
    if name == "mean_teacher" and ema == 0:
        pytest.skip("a teacher is an average")
    assert same(weights_of(method(name, weight=0.0, ema=ema)), weights_of(Supervised(ema)))


@pytest.mark.parametrize("name", METHODS)
def test_with_weight_it_is_not_and_is_reproducible(name: str) -> None:
    made = method(name, warmup=0.0, **({"threshold": 0.3} if "threshold" in ARGUMENTS[name] else {}))
    one, two = weights_of(made), weights_of(made)
    assert same(one, two)
    assert not same(one, weights_of(Supervised(0.999)))


def test_unlabelled_samples_are_the_pool_pass_after_pass_and_never_what_is_held_out() -> None:
    task = task_with_steps()
    pool = task.data.pool
    pool.add(torch.tensor([20, 21]), torch.tensor([0, 1]), validation=True)
    pool.add(torch.tensor([22]), torch.tensor([0]), test=True)
    pool.exclude(torch.tensor([23, 24]))
    views = UnlabelledViews(task)
    n, usable = 11, set(range(60)) - {20, 21, 22, 23, 24}
    drawn = [views.draw(step, n) for step in range(2 * len(usable) // n)]
    ids, passes = torch.cat([d.ids for d in drawn]), torch.cat([d.passes for d in drawn])
    for number in (0, 1):
        assert sorted(ids[passes == number].tolist()) == sorted(usable)
    assert ids[passes == 0].tolist() != ids[passes == 1].tolist()
    # A step's samples follow from the step alone, whatever was drawn before.
    assert torch.equal(UnlabelledViews(task).draw(4, n).ids, drawn[4].ids)
    task.data.round = 1
    assert not torch.equal(views.draw(0, n).ids, drawn[0].ids)


def test_views_follow_from_seed_round_pass_view_and_id() -> None:
    task = task_with_steps()
    views = UnlabelledViews(task)

    def strong(ids: list[int], number: int = 0) -> Tensor:
        drawn = views.draw(0, 2)._replace(ids=torch.tensor(ids), passes=torch.full((len(ids),), number))
        return views.view("strong", views.raw(drawn), drawn, torch.float32)

    one = strong([3, 7, 9])
    assert torch.equal(strong([9, 3])[1], one[0])
    assert not torch.equal(strong([3, 7, 9], number=1), one)
    task.data.round = 1
    assert not torch.equal(strong([3, 7, 9]), one)


@pytest.mark.parametrize("name", METHODS)
def test_no_label_of_the_pool_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_with_steps()
    monkeypatch.setattr(task.data, "oracle", Forbidden())
    for split in ("train", "test"):
        monkeypatch.setattr(task.data.split(split), "targets", Forbidden())
    train_with_hook(task, method(name).hook(task))


@pytest.mark.parametrize("name", METHODS)
def test_a_round_begins_as_the_first_one_did(name: str) -> None:
    task = task_with_steps()
    hook = method(name, warmup=0.0).hook(task)
    assert isinstance(hook, UnlabelledHook)
    first = train_with_hook(task, hook).net.state_dict()
    task.data.epoch = 0
    assert same(dict(first), dict(train_with_hook(task, hook).net.state_dict()))
    assert hook.steps == 4
    numbers = hook.on_round_end()
    assert 0 <= numbers["unlabelled_used"] <= 1
    assert numbers["unlabelled_loss"] >= 0


def test_warmup_rises_to_the_weight() -> None:
    task = task_with_steps(steps=5, epochs=4)
    hook = method("pseudo_label", weight=2.0, warmup=0.5).hook(task)
    assert isinstance(hook, UnlabelledHook)
    found = []
    for hook.steps in (0, 5, 10, 15):
        found.append(hook.factor)
    assert found == [0.0, 1.0, 2.0, 2.0]


def test_the_average_stands_for_the_round() -> None:
    task = task_with_steps()
    hook = Supervised(0.9).hook(task)
    assert hook is not None
    module = train_with_hook(task, hook)
    averaged = hook.round_net()
    assert averaged is not None
    assert same(dict(module.net.state_dict()), dict(averaged.state_dict()))
    assert not same(dict(module.net.state_dict()), weights_of(Supervised(0.0)))
    assert not any(p.requires_grad for p in averaged.parameters())
    # Batch statistics are the classifier's own, not an average of averages.
    plain = weights_of(Supervised(0.0))
    assert torch.equal(averaged.state_dict()["backbone.norm.running_mean"], plain["backbone.norm.running_mean"])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"steps_per_epoch": None}, "loop.steps_per_epoch=null"),
        ({"stop_train_acc": 0.99}, "loop.stop_train_acc=0.99"),
    ],
)
def test_refuses_a_loop_that_ends_too_early(change: dict[str, Any], line: str) -> None:
    task = task_with_steps()
    for key, value in change.items():
        setattr(task.data if key == "steps_per_epoch" else task, key, value)
    with pytest.raises(AutoALError, match=re.escape(line)):
        FixMatch().hook(task)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"strong": [{"_target_": "autoal.data.noise.FeatureNoise"}]},
            "training.strong: FeatureNoise is for vectors",
        ),
        ({"strong": ["abc"]}, "training.strong[0]=abc"),
        ({"weak": [{"_target_": "autoal.training.semi.fixmatch.FixMatch"}]}, "training.weak[0]._target_"),
        ({"threshold": 1.5}, "training.threshold=1.5"),
        ({"ema": 1.0}, "training.ema=1.0"),
    ],
)
def test_refuses_bad_options(options: dict[str, Any], line: str) -> None:
    with pytest.raises(AutoALError, match=re.escape(line)):
        method("fixmatch", **options).hook(task_with_steps())


def test_an_average_needs_more_than_half_precision() -> None:
    with pytest.raises(AutoALError, match=r"training\.ema=0\.999 .*trainer\.precision=bf16-true"):
        FixMatch().check_precision("bf16-true")
    FixMatch().check_precision("bf16-mixed")
    FixMatch(ema=0.0).check_precision("bf16-true")


def test_a_teacher_is_an_average() -> None:
    with pytest.raises(AutoALError, match=r"training\.ema=0"):
        method("mean_teacher", ema=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_two_moons_with_three_labels_each(seed: int) -> None:
    found = {}
    for made in (Supervised(), FixMatch(ratio=20, ema=0.99, strong=NOISE)):
        task, inputs, classes = moons(seed)
        net = train_with_hook(task, made.hook(task)).net
        with evaluating(net):
            found[type(made).__name__] = float((net(inputs).logits.argmax(1) == classes).float().mean())
    assert found["Supervised"] < 0.9
    assert found["FixMatch"] > 0.97


def test_the_rule_sees_probabilities_without_dropout() -> None:
    task = task_with_steps(dropout=0.5)
    hook = FixMatch(ratio=2).hook(task)
    assert isinstance(hook, ConsistencyHook)
    seen: list[Tensor] = []
    weigh = hook.rule.weigh
    hook.rule.weigh = lambda probs, ids, pool: (seen.append(probs), weigh(probs, ids, pool))[1]  # type: ignore[method-assign, func-returns-value]
    train_with_hook(task, hook)
    assert seen[0].dtype == torch.float64
    assert seen[0].shape == (16, 3)
