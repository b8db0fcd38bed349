"""WAAL picks the planted unlabelled cluster; its critic trains beside the classifier and is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal.errors import AutoALError
from autoal.strategies.waal import WAAL, WassersteinHook
from autoal.training.lit import LitClassifier
from autoal.training.task import Task
from tests.strategies.planted import context, planted_task, run_query, train_with_hook, two_clusters
from tests.strategies.runs import assert_resumes


def world(epochs: int = 40) -> tuple[Task, torch.Tensor]:
    """Labels come from the home cluster alone; the class does not depend on the cluster."""
    inputs, remote = two_clusters()
    home = (~remote).nonzero().squeeze(1)
    return planted_task(inputs, (inputs[:, 2] > 0).long(), home[:60], epochs=epochs), remote


@pytest.mark.parametrize("along", [True, False], ids=["trained along", "trained after"])
def test_picks_the_planted_unlabelled_cluster(along: bool) -> None:
    task, remote = world()
    strategy = WAAL(fit_steps=300)
    if along:
        selection = run_query(task, strategy, 30)
    else:
        selection = strategy.query(context(task, strategy, train_with_hook(task, None).net), 30)
    assert remote[selection.ids].float().mean() > 0.9
    assert selection.log["waal_gap"] > 0


def test_training_against_the_critic_draws_the_features_together() -> None:
    distances = {}
    for weight in (0.0, 1.0):
        task, _ = world()
        hook = WAAL(weight=weight).training_hook(task)
        train_with_hook(task, hook)
        distances[weight] = hook.on_round_end()["waal_distance"]
    assert distances[1.0] < 0.5 * distances[0.0]


def test_without_weight_the_classifier_is_the_plain_one() -> None:
    task, _ = world(epochs=3)
    plain = train_with_hook(task, None).net.state_dict()
    along = train_with_hook(task, WAAL(weight=0.0).training_hook(task)).net.state_dict()
    assert all(torch.allclose(v, along[k]) for k, v in plain.items())


def test_critic_is_reset_and_no_parameter_of_the_classifiers_optimiser() -> None:
    task, _ = world(epochs=2)
    hook = WAAL().training_hook(task)
    assert isinstance(hook, WassersteinHook)
    fresh = {k: v.clone() for k, v in hook.critic.state_dict().items()}
    module = train_with_hook(task, hook)
    trained = module.state_dict()
    assert hook.steps == 2 * 2  # 60 labels in batches of 32
    assert not torch.equal(trained["hook.critic.layers.0.weight"], fresh["layers.0.weight"])
    optimised = {id(p) for g in module.configure_optimizers()["optimizer"].param_groups for p in g["params"]}
    assert optimised == {id(p) for p in module.net.parameters()}
    assert trained["hook._extra_state"]["optimizer"]["state"]

    other = WAAL().training_hook(task)
    LitClassifier(task.initial_net(), task.optimizer, other).load_state_dict(trained)
    assert isinstance(other, WassersteinHook)
    assert other.steps == hook.steps
    moments = [h.optimizer().state_dict()["state"][0]["exp_avg"] for h in (hook, other)]
    assert torch.equal(*moments)

    hook.on_round_start(1)
    assert all(torch.equal(v, fresh[k]) for k, v in hook.critic.state_dict().items())
    assert hook.optimizer().state_dict()["state"] == {}


def test_refuses_bad_options() -> None:
    with pytest.raises(AutoALError, match="penalty=0"):
        WAAL(penalty=0)


@pytest.mark.slow  # test_stops.py ends and resumes it in every quick run
def test_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, "strategy=waal", "loop.checkpoint_every=3")
