"""What strategies that choose among others share: the candidates, their needs, hooks and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext, QueryStrategy, silent_phase
from autoal.query.registry import build
from autoal.training.hooks import TrainingHook, join_hooks
from autoal.training.inference import Needs
from autoal.training.task import Task


def build_candidate(spec: str | Mapping[str, Any], key: str) -> QueryStrategy:
    """Make a strategy that another one asks.

    Args:
        spec: Its name, or a mapping of ``name`` and options.
        key: Its place in the config, for messages.

    Raises:
        AutoALError: If there is none of that name, or asking it would read or cost labels.
    """
    built = build(spec, key)
    if built.reads_truth:
        raise AutoALError(f"{key}='{built.name}' is a ceiling that reads true labels: it can't be a candidate")
    if built.interactive:
        raise AutoALError(f"{key}='{built.name}' buys labels while it is asked: it can't be a candidate")
    return built


class CandidateStrategy(QueryStrategy):
    """Base of strategies that choose among candidates.

    Args:
        candidates: Two or more strategies: names, or mappings of ``name`` and options.
        keys: Their places in the config, for messages; None: ``strategy.candidates[0]`` and so on.
    """

    def __init__(self, candidates: Sequence[str | Mapping[str, Any]], keys: Sequence[str] | None = None) -> None:
        if isinstance(candidates, str) or len(candidates) < 2:
            raise AutoALError(f"{self.name}: candidates={candidates} must list at least two strategies")
        keys = keys or [f"strategy.candidates[{i}]" for i in range(len(candidates))]
        self.candidates: list[QueryStrategy] = [
            build_candidate(spec, key) for spec, key in zip(candidates, keys, strict=True)
        ]
        names = [candidate.name for candidate in self.candidates]
        self.labels = [n if names.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(names)]

    @property
    def needs(self) -> Needs:
        """What any candidate needs, and what the choice among them needs."""
        needs = Needs(labelled=True)
        for candidate in self.candidates:
            needs = needs | candidate.needs
        return needs

    def check(self, net: Classifier) -> None:
        """Refuse what any candidate refuses."""
        for candidate in self.candidates:
            candidate.check(net)

    @property
    def needs_experiment(self) -> bool:
        """Whether any candidate needs one."""
        return any(candidate.needs_experiment for candidate in self.candidates)

    def training_hook(self, task: Task) -> TrainingHook | None:
        """Return the candidates' hooks: the classifier they query is one and the same."""
        return join_hooks([candidate.training_hook(task) for candidate in self.candidates])

    def ask(self, ctx: QueryContext, k: int, n: int) -> Picks:
        """Return candidate k's picks, timed as ``arm_<name>``; phases of its own would count twice."""
        with ctx.phase(f"arm_{self.labels[k]}") as progress:
            # The stream's name decides what is drawn, the column's name what files hold: both stay as they were.
            picks = self.candidates[k].select(replace(ctx.within("arm", k), phase=silent_phase), n)
            progress(1, 1)
        return picks

    def state_dict(self) -> dict[str, Any]:
        """Return the candidates' states."""
        return {"arms": [candidate.state_dict() for candidate in self.candidates]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for candidate, own in zip(self.candidates, state["arms"], strict=True):
            candidate.load_state_dict(own)


def bought_rows(ctx: QueryContext, ids: Tensor) -> Tensor:
    """Return the place of each id ``(n,)`` in ``ctx.labelled_ids``, or -1 where it was not bought."""
    place = torch.searchsorted(ctx.labelled_ids, ids.contiguous()).clamp(max=len(ctx.labelled_ids) - 1)
    return torch.where(ctx.labelled_ids[place] == ids, place, -1)
