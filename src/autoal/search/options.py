"""What a search is made of: independent pieces, each chosen by one word or number."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoal.errors import AutoALError, unknown_name

CANDIDATE_SETS: dict[str, tuple[str, ...]] = {
    "paper1": ("entropy",),
    "paper3": ("entropy", "margin", "least_confidence"),
    "paper5": ("entropy", "margin", "least_confidence", "kmeans", "bald"),
    "paper7": ("least_confidence", "margin", "entropy", "kmeans", "bald", "var_ratio", "mean_std"),
    "batch": ("margin", "entropy", "kmeans", "kcenter", "badge", "alfamix"),
}
"""Named sets of candidates: those of the paper's Fig. 4, and one with batch-aware methods."""

_WORDS: dict[str, tuple[str, ...]] = {
    "grading": ("binary", "linear"),
    "vote_model": ("fitnet", "task"),
    "weights": ("equal", "fixed", "global", "sample"),
    "searchnet": ("full", "resnet", "loss_prediction"),
    "features": ("full", "frozen"),
    "objective": ("softmax", "sigmoid", "released"),
    "threshold": ("quantile", "gmm"),
    "warmup": ("task", "steps"),
    "fitnet_batch": ("next", "same"),
    "query": ("kmeans", "topb", "released"),
    "query_weight": ("margin", "none"),
    "searchnet_optimizer": ("adam", "sgd"),
}
_NETWORKS = ("searchnet", "fitnet")
_POSITIVE = (
    *("window", "temperature", "warmup_steps", "steps", "batch_size", "cycles", "gmm_components", "gmm_refit"),
    *("fitnet_lr", "loss_prediction_lr", "query_iterations"),
)
_NON_NEGATIVE = ("anchor", "budget_penalty", "ranking", "weight_decay")


@dataclass(frozen=True)
class SearchOptions:
    """The pieces of a search; the defaults are those of the ``autoal`` preset.

    Attributes:
        candidates: Name of a set (:data:`CANDIDATE_SETS`), or a list of strategies: names, or mappings of
            ``name`` and options.
        grading: ``"binary"``: a candidate votes 1 for the samples it would pick. ``"linear"``: a score-based
            candidate votes ``1 - rank / (window q)`` for as many.
        window: Width of linear grading in query batches q.
        search_share: q on the held-out half as a fraction of it; None: the fraction t = b / (pool and labels)
            that the query takes.
        vote_model: Who votes on the held-out half: ``"fitnet"``, which has not seen it, or the ``"task"`` model.
        weights: ``"sample"`` (a network, one weight vector per sample), ``"global"`` (one learnt vector),
            ``"fixed"`` (the prior) or ``"equal"``; the last two do not search.
        prior: Shares of some candidates, the others divide the rest: where the search starts and where the anchor
            pulls. None: all equal. A strategy that is no candidate is passed over.
        searchnet: Which signal shapes the network: ``"resnet"`` the search loss, ``"loss_prediction"`` the
            ranking of losses, ``"full"`` both.
        features: ``"full"`` networks of the task's backbone, or heads on ``"frozen"`` task embeddings.
        objective: How scores become gates: ``"softmax"`` over nominated samples, ``"sigmoid"`` around a
            threshold (Eq. 5-6 relaxed), or ``"released"`` (a step of slope 1e11).
        threshold: ``"quantile"`` of the scores, or of a fitted Gaussian mixture (``"gmm"``, Eq. 2-4).
        gmm_components: Components of the mixture.
        gmm_refit: Search steps between two fits of the mixture.
        temperature: Softness tau of the gates.
        anchor: Weight of KL(mean weights || prior).
        budget_penalty: Weight of the squared relative miss of the wanted number of samples (Eq. 9).
        ranking: Weight of the loss-ranking term in the SearchNet loss.
        warmup: FitNet trains by the ``"task"`` protocol, or for a number of ``"steps"`` with Adam.
        warmup_steps: That number.
        steps: Optimiser steps of the search, over all networks.
        alternate: Whether FitNet goes on training in the search, gated by SearchNet (Eq. 7).
        fitnet_batch: FitNet trains on the held-out batch after SearchNet's (``"next"``), or on the ``"same"``.
        batch_size: Global batch size of the search.
        cycles: Repetitions of warm-up and search per round, each with halves of its own.
        keep: Networks that keep their weights from round to round (``"searchnet"``, ``"fitnet"``).
        searchnet_optimizer: ``"adam"`` or ``"sgd"`` (momentum 0.9), for SearchNet and loss prediction.
        searchnet_lr: Learning rate of SearchNet; None: 0.02 for global weights, 0.001 for a network.
        loss_prediction_lr: Learning rate of the loss-prediction module.
        fitnet_lr: Learning rate of FitNet's Adam in steps of its own.
        weight_decay: Of all networks in the search.
        query: ``"topb"`` highest scores; ``"kmeans"``: nearest samples to weighted centroids of the nominated;
            ``"released"``: top b with samples that nobody voted for taking part at score 0.
        query_weight: k-means weights are the scores times 1 - (p1 - p2) (``"margin"``), or the scores.
        query_iterations: Lloyd iterations of the query.
    """

    candidates: Any = "paper7"
    grading: str = "linear"
    window: float = 10.0
    search_share: float | None = 0.1
    vote_model: str = "fitnet"
    weights: str = "global"
    prior: Mapping[str, float] | None = field(default_factory=lambda: {"margin": 0.75})
    searchnet: str = "full"
    features: str = "full"
    objective: str = "softmax"
    threshold: str = "quantile"
    gmm_components: int = 5
    gmm_refit: int = 20
    temperature: float = 0.3
    anchor: float = 1.0
    budget_penalty: float = 0.0
    ranking: float = 1.0
    warmup: str = "task"
    warmup_steps: int = 200
    steps: int = 133
    alternate: bool = False
    fitnet_batch: str = "next"
    batch_size: int = 128
    cycles: int = 1
    keep: Sequence[str] = ()
    searchnet_optimizer: str = "adam"
    searchnet_lr: float | None = None
    loss_prediction_lr: float = 0.001
    fitnet_lr: float = 0.005
    weight_decay: float = 0.0
    query: str = "kmeans"
    query_weight: str = "margin"
    query_iterations: int = 10

    def __post_init__(self) -> None:
        for key, words in _WORDS.items():
            if getattr(self, key) not in words:
                raise unknown_name(f"strategy.{key}", str(getattr(self, key)), words)
        for key in self.keep:
            if key not in _NETWORKS:
                raise unknown_name("network in strategy.keep", str(key), _NETWORKS)
        for key in _POSITIVE:
            if getattr(self, key) <= 0:
                raise AutoALError(f"strategy.{key}={getattr(self, key)} is not positive")
        for key in _NON_NEGATIVE:
            if getattr(self, key) < 0:
                raise AutoALError(f"strategy.{key}={getattr(self, key)} is negative")
        if self.search_share is not None and not 0 < self.search_share <= 1:
            raise AutoALError(f"strategy.search_share={self.search_share} is not in (0, 1]")
        if self.searchnet_lr is not None and self.searchnet_lr <= 0:
            raise AutoALError(f"strategy.searchnet_lr={self.searchnet_lr} is not positive")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> SearchOptions:
        """Make options from a config, naming the nearest valid key for one that does not exist."""
        known = [f.name for f in dataclasses.fields(cls)]
        for key in options:
            if key not in known:
                raise unknown_name("option of strategy autoal:", key, known)
        values = dict(options)
        if values.get("keep") is not None:
            values["keep"] = tuple(values["keep"])
        return cls(**values)

    @property
    def searches(self) -> bool:
        """Whether anything is learnt."""
        return self.weights in ("global", "sample")

    @property
    def learning_rate(self) -> float:
        """SearchNet's learning rate."""
        if self.searchnet_lr is not None:
            return self.searchnet_lr
        # A vector of K logits has to move by about one within the steps; a network moves all of its weights.
        return 0.02 if self.weights == "global" else 0.001

    def candidate_specs(self) -> list[str | Mapping[str, Any]]:
        """Return one spec per candidate.

        Raises:
            AutoALError: If there is no such set, or the list is empty.
        """
        if isinstance(self.candidates, str):
            if self.candidates not in CANDIDATE_SETS:
                raise unknown_name("set of candidates", self.candidates, CANDIDATE_SETS)
            return list(CANDIDATE_SETS[self.candidates])
        specs: list[str | Mapping[str, Any]] = list(self.candidates or ())
        if not specs:
            raise AutoALError("strategy.candidates is empty: AutoAL needs at least one candidate")
        return specs

    def prior_of(self, names: Sequence[str]) -> list[float]:
        """Return the prior weight of each candidate, summing to 1.

        Raises:
            AutoALError: If the prior names neither a candidate nor a strategy, a share is not between 0 and 1, or
                nothing is left for the other candidates.
        """
        from autoal.query.registry import strategies  # which imports the strategies, and so this module

        if self.prior is None or self.weights == "equal":
            return [1.0 / len(names)] * len(names)
        for key, value in self.prior.items():
            if key not in names and key not in strategies():
                raise unknown_name("candidate in strategy.prior", str(key), names)
            if not 0 < value <= 1:
                raise AutoALError(f"strategy.prior.{key}={value} is not a share between 0 and 1")
        named = {name: float(self.prior[name]) for name in names if name in self.prior}
        others = len(names) - len(named)
        left = 1.0 - sum(named.values())
        if others and left < 1e-6:
            raise AutoALError(
                f"strategy.prior={dict(self.prior)} leaves nothing for the {others} other candidates: "
                "its shares have to sum to less than 1"
            )
        raw = [named[name] if name in named else left / others for name in names]
        return [value / sum(raw) for value in raw]
