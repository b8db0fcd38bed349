"""The contract that every query strategy keeps, as tests that a subclass inherits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import torch

from autoal.errors import AutoALError
from autoal.query.contract import QueryStrategy
from autoal.query.interactive import Answer
from autoal.query.registry import build
from autoal.testing.tiny import tiny_context, tiny_task
from autoal.training.task import Task


class Forbidden:
    """Stands where labels are kept; any use of it is an early read."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a label was read before it was bought (.{name})")

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("a label was read before it was bought")

    def __len__(self) -> int:
        raise AssertionError("a label was read before it was bought")


class StrategyContract:
    """What a strategy promises: valid picks, reproducible, nothing disturbed, no label read early.

    Subclass it in a test file under a name that starts with ``Test``; pytest collects the inherited tests. They
    run in a world of 60 images, 12 of them labelled; give a strategy that trains networks options that make it
    cheap.

    Attributes:
        strategy: The class, or the name of a registered one.
        options: Arguments of its constructor.

    Example::

        class TestMyStrategy(StrategyContract):
            strategy = MyStrategy
    """

    strategy: type[QueryStrategy] | str
    options: Mapping[str, Any] = MappingProxyType({})

    def make(self) -> QueryStrategy:
        """Return a new instance; override it where a constructor needs more than options."""
        if isinstance(self.strategy, str):
            return build({"name": self.strategy, **self.options})
        return self.strategy(**self.options)

    @pytest.mark.parametrize("n", [1, 5, 48])
    def test_gives_exactly_n_unique_unlabelled_ids(self, n: int) -> None:
        """Ids are of the unlabelled pool, scores are finite, the log holds floats."""
        task = tiny_task()
        strategy = self.make()
        ctx = tiny_context(task, strategy)
        assert len(ctx.unlabelled) == 48
        selection = strategy.query(ctx, n)
        assert selection.ids.dtype == torch.int64
        assert len(selection.ids) == len(selection.scores) == n
        assert len(set(selection.ids.tolist())) == n
        assert set(selection.ids.tolist()) <= set(task.data.pool.unlabelled.tolist())
        assert torch.isfinite(selection.scores).all()
        assert all(isinstance(v, float) for v in selection.log.values())

    @pytest.mark.parametrize("n", [0, -1, 49])
    def test_refuses_a_query_that_does_not_fit(self, n: int) -> None:
        """In one line that names the number."""
        strategy = self.make()
        ctx = tiny_context(tiny_task(), strategy)
        with pytest.raises(AutoALError, match=str(n)):
            strategy.query(ctx, n)

    @pytest.mark.parametrize(
        "dataset", [{"duplicates": True}, {"one_class": True}], ids=["duplicates", "one class"]
    )
    def test_copes_with_degenerate_data(self, dataset: dict[str, bool]) -> None:
        """Images that repeat, and labels that are all the same."""
        strategy = self.make()
        ctx = tiny_context(tiny_task(**dataset), strategy)
        for n in (7, len(ctx.unlabelled)):
            assert len(set(strategy.query(ctx, n).ids.tolist())) == n

    def test_refuses_a_network_that_diverged(self) -> None:
        """A NaN is never a score."""
        task = tiny_task()
        strategy = self.make()
        net = task.initial_net()
        with torch.no_grad():
            net.head.weight[0, 0] = float("nan")
            net.head.bias[1] = float("nan")
        ctx = tiny_context(task, strategy, net)
        with pytest.raises(AutoALError, match="not finite"):
            strategy.query(ctx, 3)

    def test_same_seed_same_picks(self) -> None:
        """Whatever the global random state is: randomness comes from the context's generators."""
        picks = []
        for elsewhere in (1, 999):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(elsewhere)  # a global state that a hidden draw would follow
                strategy = self.make()
                picks.append(strategy.query(tiny_context(tiny_task(seed=3), strategy), 6).ids.tolist())
        assert picks[0] == picks[1]

    def test_leaves_the_model_and_global_state_alone(self) -> None:
        """Weights, buffers, modes, gradients, random state and pool are what they were."""
        task = tiny_task()
        strategy = self.make()
        net = task.initial_net()
        task.fit(net, task.data.pool.labelled, task.data.pool.labels(task.data.pool.labelled), ("task", 0))
        for mode in (True, False):
            net.train(mode)
            net.backbone.norm.train(not mode)  # type: ignore[union-attr]  # modes of single layers are kept too
            before = {k: v.clone() for k, v in net.state_dict().items()}
            modes = [m.training for m in net.modules()]
            requires = [p.requires_grad for p in net.parameters()]
            cpu_rng = torch.get_rng_state().clone()
            unlabelled = task.data.pool.unlabelled.clone()
            strategy.query(tiny_context(task, strategy, net), 5)
            assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
            assert [m.training for m in net.modules()] == modes
            assert [p.requires_grad for p in net.parameters()] == requires
            assert torch.equal(torch.get_rng_state(), cpu_rng)
            assert torch.equal(task.data.pool.unlabelled, unlabelled)
            assert torch.is_grad_enabled()

    def test_reads_no_label_before_it_is_bought(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Labels of the unlabelled pool and of the test set are out of bounds."""
        task = tiny_task()
        strategy = self.make()
        if strategy.reads_truth:
            pytest.skip("a ceiling: it says of itself that it reads the truth")
        ctx = tiny_context(task, strategy)
        assert ctx.truth is None
        if strategy.interactive:
            self._pays_for_what_it_reads(task, strategy, monkeypatch)
            return
        assert ctx.answer is None
        monkeypatch.setattr(task.data, "oracle", Forbidden())
        monkeypatch.setattr(task.data.split("train"), "targets", Forbidden())
        monkeypatch.setattr(task.data.split("test"), "targets", Forbidden())
        assert len(strategy.query(ctx, 4).ids) == 4

    def _pays_for_what_it_reads(
        self, task: Task, strategy: QueryStrategy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A strategy that steers by labels reads only those of its picks, one by one."""
        targets, asked = task.data.split("train").targets.clone(), list[int]()

        def answer(id_: int, score: float) -> Answer:
            asked.append(id_)
            return Answer(id_, int(targets[id_]))

        ctx = replace(tiny_context(task, strategy), answer=answer)
        monkeypatch.setattr(task.data, "oracle", Forbidden())
        monkeypatch.setattr(task.data.split("train"), "targets", Forbidden())
        monkeypatch.setattr(task.data.split("test"), "targets", Forbidden())
        assert strategy.query(ctx, 4).ids.tolist() == asked

    def test_state_survives_a_resume(self) -> None:
        """The next query of a restored strategy is the query that the original would have made."""
        task = tiny_task()
        first = self.make()
        first.query(tiny_context(task, first), 4)
        restored = self.make()
        restored.load_state_dict(first.state_dict())
        ids = [s.query(tiny_context(task, s, round_=1), 4).ids.tolist() for s in (first, restored)]
        assert ids[0] == ids[1]

    def test_needs_dropout_and_says_so(self) -> None:
        """Monte-Carlo dropout on a network without dropout is refused before anything is trained."""
        if not self.make().needs.mc_samples:
            pytest.skip("needs no Monte-Carlo dropout")
        net = tiny_task(dropout=0.0).initial_net()
        with pytest.raises(AutoALError, match=r"backbone\.dropout"):
            self.make().check(net)

    def test_says_what_it_is(self) -> None:
        """Name, summary and docstring are what ``autoal list`` and reports show."""
        strategy = self.make()
        assert strategy.name
        assert strategy.info.summary
        assert (type(strategy).__doc__ or "").strip()
