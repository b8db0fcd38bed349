from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from autoal.errors import AutoALError
from autoal.query.contract import QueryContext
from autoal.query.registry import build
from autoal.search.halves import Counts
from autoal.strategies.autoal import AutoAL
from autoal.testing.tiny import tiny_context, tiny_task
from tests.composed import plain

PRESETS = ("autoal", "autoal_search", "autoal_paper", "autoal_released", "autoal_equal")
SEARCHING = ("autoal_search", "autoal_paper", "autoal_released")
FAST: dict[str, Any] = {"warmup": "steps", "warmup_steps": 4, "steps": 9}


def make(name: str = "autoal_search", **options: Any) -> AutoAL:
    strategy = build({"name": name, **options})
    assert isinstance(strategy, AutoAL)
    return strategy


@pytest.mark.parametrize("name", PRESETS)
def test_the_yaml_of_a_preset_says_what_its_name_does(name: str) -> None:
    config: dict[str, Any] = plain(f"strategy={name}")["strategy"]
    assert config["name"] == name
    written, named = build(config), build(name)
    assert isinstance(written, AutoAL)
    assert isinstance(named, AutoAL)
    assert written.options == named.options
    assert written.name == name


@pytest.mark.parametrize("name", PRESETS)
def test_columns_of_the_round(name: str) -> None:
    strategy = make(name)
    columns = strategy.query(tiny_context(tiny_task(), strategy), 5).log
    names = strategy.candidates.names
    assert sum(columns[f"weight_{c}"] for c in names) == pytest.approx(1.0)
    assert {f"vote_share_{c}" for c in names} | {"entropy_of_weights", "search_kmeans_fits"} <= set(columns)
    searched = {"search_loss", "search_wanted", "search_expected", "search_loss_selected", "search_loss_rest"}
    assert searched <= set(columns) or name not in SEARCHING


def test_phases_come_in_order() -> None:
    from contextlib import contextmanager
    from dataclasses import replace

    strategy, seen = make("autoal_paper", **FAST), []

    @contextmanager
    def phase(name: str) -> Any:
        seen.append(name)
        yield lambda done, total: None

    strategy.query(replace(tiny_context(tiny_task(), strategy), phase=phase), 5)
    assert seen == ["votes", "warmup", "updates", "query"]


def test_cost_of_the_papers_schedule() -> None:
    """At most 746 images per held-out image and 1 k-means per half; the released code: 16,200 and 600."""
    strategy = make("autoal_paper")
    columns = strategy.query(tiny_context(tiny_task(), strategy), 5).log
    assert strategy.options.warmup_steps + strategy.options.steps == 600
    assert columns["search_forwards"] <= 746
    assert columns["search_kmeans_fits"] == 2


def test_frozen_fitnet_costs_searchnet_steps_alone() -> None:
    strategy = make("autoal_search", weights="sample", steps=100, warmup="steps", warmup_steps=10)
    ctx, counts = tiny_context(tiny_task(), strategy), Counts()
    strategy.search(ctx, 5, counts)
    assert counts.images == {"fitnet": 10 * 6 + 6, "searchnet": 50 * 6}


def test_the_vote_model_is_the_same_before_and_after() -> None:
    for vote_model in ("task", "fitnet"):
        strategy = make("autoal_paper", vote_model=vote_model, **FAST)
        ctx = tiny_context(tiny_task(), strategy)
        before = {k: v.clone() for k, v in ctx.net.state_dict().items()}
        strategy.query(ctx, 5)
        assert all(torch.equal(v, before[k]) for k, v in ctx.net.state_dict().items())


def test_a_frozen_fitnet_does_not_move_in_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy, nets = make("autoal_search", weights="sample"), []
    original = AutoAL.new_fitnet

    def spy(self: AutoAL, *args: Any) -> Any:
        nets.append(original(self, *args))
        return nets[-1]

    monkeypatch.setattr(AutoAL, "new_fitnet", spy)
    from autoal.strategies import autoal as module

    states = []
    hold_out = module.hold_out

    def at_hold_out(*args: Any) -> Any:
        states.append({k: v.clone() for k, v in nets[-1][0].state_dict().items()})
        return hold_out(*args)

    monkeypatch.setattr(module, "hold_out", at_hold_out)
    strategy.query(tiny_context(tiny_task(), strategy), 5)
    after = nets[-1][0].state_dict()
    assert all(torch.equal(v, states[-1][k]) for k, v in after.items())


@pytest.mark.parametrize("name", SEARCHING)
def test_a_resumed_search_equals_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    options = {**FAST, "weights": "sample", "keep": ["searchnet", "fitnet"]}
    task, first = tiny_task(), make(name, **options)
    first.query(tiny_context(task, first), 5)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    straight = first.query(tiny_context(task, first, round_=1), 5)
    resumed = make(name, **options)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    again = resumed.query(tiny_context(task, resumed, round_=1), 5)
    assert straight.ids.tolist() == again.ids.tolist()
    assert straight.log == again.log
    fresh = make(name, **options)
    assert fresh.query(tiny_context(task, fresh, round_=1), 5).log != again.log


def with_labels(n: int) -> QueryContext:
    """A context with the first n samples labelled."""
    from dataclasses import replace

    strategy = make("autoal_paper")
    ctx = tiny_context(tiny_task(), strategy)
    return replace(ctx, labelled_ids=ctx.labelled_ids[:n], labelled_targets=ctx.labelled_targets[:n])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_labels_to_hold_any_out_leave_the_prior(n: int) -> None:
    columns = make("autoal_search", prior={"margin": 0.6}).query(with_labels(n), 5).log
    assert "search_loss" not in columns
    assert columns["weight_margin"] == pytest.approx(0.6)


@pytest.mark.parametrize("n", [4, 5, 7])
@pytest.mark.parametrize("name", ["autoal_search", "autoal_paper"])
def test_a_handful_of_labels_is_enough_to_run(name: str, n: int) -> None:
    options = FAST if name == "autoal_paper" else {"steps": 9, "weights": "sample"}
    selection = make(name, **options).query(with_labels(n), 5)
    assert selection.log["search_wanted"] == 1
    assert all(torch.isfinite(torch.tensor(v)) for v in selection.log.values())


def test_one_candidate_needs_no_search() -> None:
    strategy = make("autoal_search", candidates=["margin"], grading="binary", query="topb")
    ctx = tiny_context(tiny_task(), strategy)
    alone = build("margin").query(ctx, 6)
    selection = strategy.query(ctx, 6)
    assert set(selection.ids.tolist()) == set(alone.ids.tolist())
    assert "search_loss" not in selection.log


def test_the_same_candidate_twice_is_an_equal_share() -> None:
    strategy = make("autoal_search", candidates=["margin", "margin"], prior=None)
    columns = strategy.query(tiny_context(tiny_task(), build("kmeans")), 5).log
    assert columns["weight_margin"] == pytest.approx(columns["weight_margin_2"], abs=1e-4)


def test_equal_weights_train_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = make("autoal_equal")
    ctx = tiny_context(tiny_task(), strategy)
    monkeypatch.setattr(type(ctx.task), "fit", lambda *args, **kwargs: pytest.fail("trained a network"))
    strategy.query(ctx, 5)


def test_fixed_weights_are_the_prior() -> None:
    strategy = make("autoal_search", weights="fixed", candidates=["margin", "entropy"], prior={"margin": 0.75})
    columns = strategy.query(tiny_context(tiny_task(), strategy), 5).log
    assert columns["weight_margin"] == pytest.approx(0.75)


def test_cycles_search_again_on_other_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    from autoal.strategies import autoal as module

    halves = []
    original = module.hold_out

    def spy(*args: Any) -> Any:
        halves.append(original(*args))
        return halves[-1]

    monkeypatch.setattr(module, "hold_out", spy)
    strategy = make("autoal_search", cycles=2, **FAST)
    strategy.query(tiny_context(tiny_task(), strategy), 5)
    assert len(halves) == 2
    assert halves[0].ids.tolist() != halves[1].ids.tolist()


@pytest.mark.parametrize("weights", ["global", "sample"])
@pytest.mark.parametrize("name", SEARCHING)
def test_frozen_features_train_heads_alone(name: str, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = make(name, features="frozen", weights=weights, warmup_steps=4, steps=9)
    assert strategy.needs.labelled
    ctx = tiny_context(tiny_task(), strategy)
    monkeypatch.setattr(type(ctx.task), "new_net", lambda *args, **kwargs: pytest.fail("built a backbone"))
    monkeypatch.setattr(type(ctx.net), "embed", lambda *args: pytest.fail("ran the backbone"))
    selection = strategy.query(ctx, 5)
    assert len(selection.ids.unique()) == 5


def test_candidates_that_look_at_the_labelled_pool() -> None:
    strategy = make("autoal_search", candidates=["margin", "kcenter", "badge"], weights="sample")
    assert strategy.needs.labelled
    selection = strategy.query(tiny_context(tiny_task(), strategy), 5)
    assert selection.log["weight_kcenter"] > 0


def test_a_collapse_is_a_warning_with_its_likely_cause(caplog: pytest.LogCaptureFixture) -> None:
    strategy = make("autoal_search", candidates=["margin", "entropy"], anchor=0.0, searchnet_lr=5.0)
    with caplog.at_level(logging.WARNING):
        strategy.query(tiny_context(tiny_task(), strategy), 5)
    assert "collapsed" in caplog.text
    assert "strategy.anchor" in caplog.text
    caplog.clear()
    quiet = make("autoal_search", candidates=["margin", "entropy"], anchor=100.0)
    with caplog.at_level(logging.WARNING):
        quiet.query(tiny_context(tiny_task(), quiet), 5)
    assert "collapsed" not in caplog.text


def test_outside_an_experiment_it_says_what_to_use() -> None:
    from dataclasses import replace

    searching, default = make("autoal_search"), make("autoal")
    assert searching.needs_experiment
    assert not default.needs_experiment
    with pytest.raises(AutoALError, match=r"use autoal$"):
        searching.query(replace(tiny_context(tiny_task(), searching), task=None), 5)
    assert len(default.query(replace(tiny_context(tiny_task(), default), task=None), 5).ids) == 5


def test_it_needs_dropout_only_if_a_candidate_does() -> None:
    net = tiny_task(dropout=0.0).initial_net()
    with pytest.raises(AutoALError, match=r"backbone\.dropout"):
        make("autoal").check(net)
    make("autoal_search", candidates=["margin", "kmeans"]).check(net)


def test_what_is_learnt_is_drawn_beside_the_rounds(tmp_path: Path) -> None:
    strategy = make("autoal_equal")
    row = {"n_labeled": 12, **strategy.query(tiny_context(tiny_task(), strategy), 5).log}
    assert strategy.write_figures(tmp_path, [row]) == []  # nothing is learnt, nothing to see
    searching = make("autoal_search")
    assert searching.write_figures(tmp_path, [row]) == [tmp_path / "strategy_weights.png"]
    assert searching.write_figures(tmp_path, [{"n_labeled": 12}]) == []


def test_herding_at_no_tilt_is_wide_herding() -> None:
    strategy = make("autoal_equal", query="herding", query_tilt=0.0)
    ctx = tiny_context(tiny_task(), strategy)
    assert strategy.query(ctx, 6).ids.tolist() == build("wide_herding").query(ctx, 6).ids.tolist()


def test_herding_says_how_much_the_prior_would_have_bought() -> None:
    strategy = make(query="herding", **FAST)
    ctx = tiny_context(tiny_task(), strategy)
    log = strategy.query(ctx, 6).log
    assert 0.0 <= log["prior_overlap"] <= 1.0
    assert {"temperature", "bandwidth", "weight_margin"} <= set(log)
    still = make(query="herding", searchnet_lr=1e-12, **FAST)
    assert still.query(ctx, 6).log["prior_overlap"] == 1.0


def test_a_resumed_search_that_herds_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    options = {**FAST, "query": "herding", "query_targets": 20}
    task, first = tiny_task(), make(**options)
    first.query(tiny_context(task, first), 5)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    straight = first.query(tiny_context(task, first, round_=1), 5)
    resumed = make(**options)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    again = resumed.query(tiny_context(task, resumed, round_=1), 5)
    assert straight.ids.tolist() == again.ids.tolist()
    assert straight.log == again.log


@pytest.mark.parametrize("value", [0.6, -1.0, "much"])
def test_the_tilt_of_votes_is_bounded(value: Any) -> None:
    with pytest.raises(AutoALError, match="query_tilt"):
        make(query="herding", query_tilt=value)
