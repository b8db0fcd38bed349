"""Uncertainty herding: cover what the classifier is unsure of."""

from __future__ import annotations

import copy

import torch

from autoal.errors import AutoALError
from autoal.kernels.herding import sharded_herding
from autoal.kernels.types import Picks
from autoal.query.calibrate import bandwidth_of, calibrated_uncertainty, check_bandwidth, check_temperature
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.kept import KeptProducts, whichever_way
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("uherding")
class UHerding(QueryStrategy):
    """MaxHerding in which each sample counts as much as the calibrated classifier is unsure of it.

    With a flat uncertainty it is MaxHerding; as labels come, the bandwidth shrinks and it becomes margin sampling.

    Args:
        bandwidth: ``"minimum"`` (as published: the least distance of two labelled samples), ``"quantile"`` or
            ``"median"`` of the labelled samples' distances to the nearest other one, or a number.
        temperature: ``"crossfit"``: the one that calibrates softmax heads on the labelled embeddings, out of fold;
            or a number, by which the logits are divided.
        kernel: ``"rbf"``, ``"student_t"``, ``"laplace"``, ``"cosine"`` or ``"top_hat"``.
        targets: Count so many samples drawn at random instead of all, for very large pools; None: all.
        exponent: Power of the uncertainty that weighs a sample; 0 is MaxHerding.
        scale: Multiple of the labelled samples' distance that is the bandwidth.
        least: The bandwidth is at least this much.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "hybrid",
        "weighted herding: coverage of calibrated uncertainty, between MaxHerding and margin",
        "Bae, Oliveira, Sutherland: Uncertainty Herding: One Active Learning Method for All Label Budgets",
        "ICLR 2025",
    )

    order = "nested"

    def __init__(
        self,
        bandwidth: float | str = "minimum",
        temperature: float | str = "crossfit",
        kernel: str = "rbf",
        targets: int | None = None,
        exponent: float = 1.0,
        scale: float = 1.0,
        least: float = 0.0,
        features: str = "classifier",
    ) -> None:
        check_bandwidth(bandwidth)
        check_temperature(temperature)
        if exponent < 0 or scale <= 0 or least < 0:
            raise AutoALError(f"exponent={exponent} and least={least} must be at least 0, scale={scale} above 0")
        self._needs = Needs.of_features(features, spread=features == "classifier")
        self.exponent, self.scale, self.least, self.features = exponent, scale, least, features
        self.bandwidth = bandwidth
        self.temperature = temperature
        self.kernel = kernel
        self.targets = targets
        self.products = KeptProducts()

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def prepared(self, ctx: QueryContext) -> UHerding:
        """Return the strategy with the round's temperature and bandwidth, which no unlabelled sample changes."""
        fixed, known = copy.copy(self), ctx.features(self.features)[1]
        fixed.temperature = calibrated_uncertainty(ctx.part(torch.arange(1)), known, self.temperature)[1]
        fixed.bandwidth = bandwidth_of(known, self.bandwidth, self.scale, self.least)
        return fixed

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Weigh the pool by uncertainty and cover it from all labelled samples."""
        pool, known = ctx.features(self.features)
        with ctx.phase("calibrate"):
            unsure, temperature = calibrated_uncertainty(ctx, known, self.temperature)
            bandwidth = bandwidth_of(known, self.bandwidth, self.scale, self.least)
        with ctx.phase("pick") as progress:
            picks = sharded_herding(
                pool,
                len(ctx.unlabelled),
                n,
                ctx.world,
                known,
                unsure**self.exponent,
                bandwidth,
                self.kernel,
                self.targets,
                ctx.generator("targets"),
                progress=progress,
                kept=self.products.of(ctx.unlabelled.ids, pool, ctx.world),
            )
        picks = whichever_way(picks)
        return picks._replace(log={**picks.log, "temperature": temperature, "bandwidth": bandwidth})
