"""What a search is made of: independent pieces, each chosen by one word or number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from autoal.analysis.priors import prior_shares
from autoal.config.values import Count, LearningRate, NotNegative, Positive, Range, check, settings_of
from autoal.errors import AutoALError, unknown_name

CANDIDATE_SETS: dict[str, tuple[str, ...]] = {
    "paper1": ("entropy",),
    "paper3": ("entropy", "margin", "least_confidence"),
    "paper5": ("entropy", "margin", "least_confidence", "kmeans", "bald"),
    "paper7": ("least_confidence", "margin", "entropy", "kmeans", "bald", "var_ratio", "mean_std"),
    "batch": ("margin", "entropy", "kmeans", "kcenter", "badge", "alfamix"),
}
"""Named sets of candidates: those of the paper's Fig. 4, and one with batch-aware methods."""


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
            ``"fixed"`` (the prior, the default) or ``"equal"``; the last two do not search.
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
            ``"released"``: top b with samples that nobody voted for taking part at score 0; ``"herding"``: the
            batch that covers the pool best, each sample counting by its calibrated uncertainty and by its votes,
            graded over the whole pool.
        query_weight: k-means weights are the scores times 1 - (p1 - p2) (``"margin"``), or the scores.
        query_iterations: Lloyd iterations of the query.
        query_exponent: Herding: power of the uncertainty.
        query_scale: Herding: bandwidth in units of the least distance of two labelled samples.
        query_least: Herding: the bandwidth is at least this much.
        query_tilt: Herding: how far the votes raise or lower what a sample counts, at most by half.
        query_targets: Herding: count so many samples drawn at random instead of all, which holds the cost of a
            query on a large pool linear; None: all.
        query_temperature: Herding: ``"crossfit"`` calibrates, or a number that divides the logits.
        query_features: Herding: distances in the ``"classifier"``'s embeddings, or in ``"static"`` features.
    """

    candidates: str | Sequence[str | Mapping[str, Any]] = "paper7"
    grading: Literal["binary", "linear"] = "linear"
    window: Positive = 10.0
    search_share: Annotated[float, Range(0, 1, "(]")] | None = 0.1
    vote_model: Literal["fitnet", "task"] = "fitnet"
    weights: Literal["equal", "fixed", "global", "sample"] = "fixed"
    prior: Mapping[str, float] | None = field(default_factory=lambda: {"margin": 0.75})
    searchnet: Literal["full", "resnet", "loss_prediction"] = "full"
    features: Literal["full", "frozen"] = "full"
    objective: Literal["softmax", "sigmoid", "released"] = "softmax"
    threshold: Literal["quantile", "gmm"] = "quantile"
    gmm_components: Count = 5
    gmm_refit: Count = 20
    temperature: Positive = 0.3
    anchor: NotNegative = 1.0
    budget_penalty: NotNegative = 0.0
    ranking: NotNegative = 1.0
    warmup: Literal["task", "steps"] = "task"
    warmup_steps: Count = 200
    steps: Count = 133
    alternate: bool = False
    fitnet_batch: Literal["next", "same"] = "next"
    batch_size: Count = 128
    cycles: Count = 1
    keep: Sequence[Literal["searchnet", "fitnet"]] = ()
    searchnet_optimizer: Literal["adam", "sgd"] = "adam"
    searchnet_lr: LearningRate | None = None
    loss_prediction_lr: LearningRate = 0.001
    fitnet_lr: LearningRate = 0.005
    weight_decay: NotNegative = 0.0
    query: Literal["kmeans", "topb", "herding", "released"] = "herding"
    query_weight: Literal["margin", "none"] = "margin"
    query_iterations: Count = 10
    query_exponent: NotNegative = 1.0
    query_scale: Positive = 2.5
    query_least: NotNegative = 0.2
    query_tilt: Annotated[float, Range(-0.5, 0.5)] = 0.5
    query_targets: Count | None = 10_000
    query_temperature: Positive | Literal["crossfit"] = "crossfit"
    query_features: Literal["classifier", "static"] = "classifier"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> SearchOptions:
        """Make options from a config.

        Raises:
            AutoALError: Naming the key, its value and what is valid, or the nearest valid key.
        """
        checked = check("strategy", options, settings_of(cls))
        return cls(**{**checked, "keep": tuple(checked.get("keep", ()))})  # a list in a file, a tuple in code

    @property
    def searches(self) -> bool:
        """Whether anything is learnt."""
        return self.weights in ("global", "sample")

    @property
    def pool_grading(self) -> str:
        """How candidates grade the pool: over all of it for herding, which counts every sample."""
        return "rank" if self.query == "herding" else self.grading

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
            return prior_shares(names, None)
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
        return prior_shares(names, self.prior)
