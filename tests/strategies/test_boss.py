"""BoSS tries what it says, takes the best, and is a ceiling wherever it appears."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autoal.commands.listing import known_strategies, lines
from autoal.data.oracle import Oracle
from autoal.errors import AutoALError
from autoal.query.contract import check_oracle
from autoal.query.registry import build
from autoal.search.options import SearchOptions
from autoal.search.votes import Candidates
from autoal.strategies.boss import BoSS, share_out
from autoal.testing.tiny import tiny_context, tiny_task
from tests.faults import lives


def test_buys_the_batch_whose_classifier_errs_least() -> None:
    task = tiny_task(epochs=6)
    strategy = BoSS(batches=6, by_class=["typiclust"], epochs=4)
    ctx = tiny_context(task, strategy)
    selection = strategy.query(ctx, 5)
    ids = torch.cat([ctx.labelled_ids, selection.ids]).sort().values
    targets = task.data.split("train").targets[ids]
    short = replace(task, epochs=4)
    net = short.initial_net()
    short.fit(net, ids, targets, ("boss", 0))
    net.eval()
    test = task.data.split("test")
    with torch.no_grad():
        said = net(task.data.transform.eval(test.source.fetch(torch.arange(30)))).logits.argmax(1)
    error = float((said != test.targets).double().mean())
    assert selection.log["boss_error"] == pytest.approx(error)
    assert selection.log["boss_error"] <= selection.log["boss_error_mean"]


def test_more_batches_are_never_worse() -> None:
    task = tiny_task(epochs=6)
    errors = []
    for batches in (1, 4, 12):
        strategy = BoSS(batches=batches, candidates=["random", "margin"], by_class=[])
        log = strategy.query(tiny_context(task, strategy), 5).log
        errors.append(log["boss_error"])
    assert errors == sorted(errors, reverse=True)


def test_picks_are_dealt_to_the_classes_with_the_fewest_labels() -> None:
    classes = torch.tensor([0, 0, 0, 0, 1, 2, 2, 2])
    assert share_out(classes, torch.tensor([0, 0, 0]), 5) == [2, 1, 2]
    assert share_out(classes, torch.tensor([5, 0, 1]), 5) == [1, 1, 3]
    assert share_out(classes, torch.tensor([0, 0, 9]), 8) == [4, 1, 3]


def test_without_the_truth_it_says_so() -> None:
    strategy = BoSS(batches=2)
    with pytest.raises(RuntimeError, match="reads_truth"):
        strategy.query(replace(tiny_context(tiny_task(), strategy), truth=None), 3)


def test_is_never_a_candidate() -> None:
    for name in ("albl", "tailor", "refine"):
        with pytest.raises(AutoALError, match="is a ceiling"):
            build({"name": name, "candidates": ["margin", "boss"]})
    with pytest.raises(AutoALError, match="is a ceiling"):
        Candidates.of(SearchOptions(candidates=["margin", "boss"]))
    with pytest.raises(AutoALError, match="is a ceiling"):
        build({"name": "autoal", "candidates": ["margin", "boss"]})


def test_an_oracle_that_does_not_hold_the_truth_refuses_it() -> None:
    class Person(Oracle):
        holds_truth = False

    person = Person(torch.zeros(3))
    check_oracle(build("margin"), person)
    check_oracle(BoSS(), Oracle(torch.zeros(3)))
    with pytest.raises(AutoALError, match="'boss' is a ceiling that reads true labels"):
        check_oracle(BoSS(), person)


def test_is_marked_in_lists_and_reports(tmp_path: Path) -> None:
    from autoal.analysis.runs import Run, read_run

    text = "\n".join(lines(known_strategies()))
    assert "\nceiling\n  boss " in text
    config = lives.config("strategy=boss", "strategy.batches=2", "strategy.epochs=1", "loop.n_rounds=1")
    assert lives.live(config, tmp_path / "run") == 0, lives.log_of(tmp_path / "run")
    found = read_run(tmp_path / "run")
    assert isinstance(found, Run)
    assert found.strategy == "boss (ceiling)"
