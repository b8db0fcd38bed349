"""The contract suite over every strategy of this package, and over strategies that break it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, ScoreStrategy, StrategyInfo
from autoal.query.registry import strategies
from autoal.testing import StrategyContract
from tests.contract.tiny_options import TINY

NAMES = list(strategies())


class TestInside(StrategyContract):
    @pytest.fixture(autouse=True, params=NAMES)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.strategy = request.param
        self.options = TINY.get(request.param, {})


@pytest.mark.parametrize("name", NAMES)
def test_is_configured(name: str, root: Path) -> None:
    config = root / "conf" / "strategy" / f"{name}.yaml"
    assert config.exists(), f"strategy {name} has no {config}"
    assert f"name: {name}" in config.read_text()


def test_only_ceilings_read_the_truth() -> None:
    for name, cls in strategies().items():
        assert cls.reads_truth == (cls.info.family == "ceiling"), name


class _Base(ScoreStrategy):
    """Breaks one promise."""

    name = "broken"
    info = StrategyInfo("own", "breaks one promise")

    def score(self, ctx: QueryContext) -> Tensor:
        return ctx.unlabelled.logits[:, 0]


class HiddenDraw(_Base):
    """Draws from the global generator."""

    def score(self, ctx: QueryContext) -> Tensor:
        return torch.rand(len(ctx.unlabelled))


class TouchesWeights(_Base):
    """Leaves a changed bias behind."""

    def score(self, ctx: QueryContext) -> Tensor:
        with torch.no_grad():
            ctx.net.head.bias += 1
        return super().score(ctx)


class ReadsLabels(_Base):
    """Asks the oracle before it pays."""

    def score(self, ctx: QueryContext) -> Tensor:
        assert ctx.task is not None
        return ctx.task.data.split("train").targets[ctx.unlabelled.ids].double()


class Forgets(_Base):
    """Counts its queries and does not save the count."""

    def __init__(self) -> None:
        self.calls = 0

    def score(self, ctx: QueryContext) -> Tensor:
        self.calls += 1
        sign = 1 if self.calls == 1 else -1
        return sign * ctx.unlabelled.ids.double()


class PicksTwice(_Base):
    """Gives one row n times."""

    def select(self, ctx: QueryContext, n: int) -> Picks:
        return Picks(torch.zeros(n, dtype=torch.int64), torch.zeros(n), {})


@pytest.mark.parametrize(
    ("cls", "test", "arguments"),
    [
        (HiddenDraw, "test_same_seed_same_picks", ()),
        (HiddenDraw, "test_leaves_the_model_and_global_state_alone", ()),
        (TouchesWeights, "test_leaves_the_model_and_global_state_alone", ()),
        (ReadsLabels, "test_reads_no_label_before_it_is_bought", ("monkeypatch",)),
        (Forgets, "test_state_survives_a_resume", ()),
        (PicksTwice, "test_gives_exactly_n_unique_unlabelled_ids", (5,)),
    ],
)
def test_the_suite_finds_what_is_broken(
    cls: type[QueryStrategy], test: str, arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = StrategyContract()
    suite.strategy = cls
    given = [monkeypatch if a == "monkeypatch" else a for a in arguments]
    with pytest.raises((AssertionError, RuntimeError)):
        getattr(suite, test)(*given)


def test_an_outside_strategy_that_keeps_its_promises_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = StrategyContract()
    suite.strategy = _Base
    suite.test_gives_exactly_n_unique_unlabelled_ids(5)
    suite.test_same_seed_same_picks()
    suite.test_leaves_the_model_and_global_state_alone()
    suite.test_reads_no_label_before_it_is_bought(monkeypatch)
    suite.test_state_survives_a_resume()
    suite.test_says_what_it_is()
