"""Uncertainty herding: cover what the classifier is unsure of."""

from __future__ import annotations

import torch

from autoal.errors import AutoALError
from autoal.kernels import crossfit_temperature, labelled_bandwidth, margin
from autoal.kernels.calibration import BANDWIDTHS
from autoal.kernels.herding import sharded_herding
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
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
    """

    info = StrategyInfo(
        "hybrid",
        "weighted herding: coverage of calibrated uncertainty, between MaxHerding and margin",
        "Bae, Oliveira, Sutherland: Uncertainty Herding: One Active Learning Method for All Label Budgets",
        "ICLR 2025",
    )

    def __init__(
        self,
        bandwidth: float | str = "minimum",
        temperature: float | str = "crossfit",
        kernel: str = "rbf",
        targets: int | None = None,
    ) -> None:
        if isinstance(bandwidth, str) and bandwidth not in BANDWIDTHS:
            raise AutoALError(f"bandwidth='{bandwidth}': a number or one of {', '.join(BANDWIDTHS)} is needed")
        if temperature != "crossfit" and not (isinstance(temperature, int | float) and temperature > 0):
            raise AutoALError(f"temperature={temperature}: 'crossfit' or a number above 0 is needed")
        self.bandwidth = bandwidth
        self.temperature = temperature
        self.kernel = kernel
        self.targets = targets

    @property
    def needs(self) -> Needs:
        """Embeddings of pool and labelled samples."""
        return Needs(embeddings=True, labelled=True, spread=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Weigh the pool by uncertainty and cover it from all labelled samples."""
        known = ctx.labelled_embeddings
        temperature, bandwidth = 1.0, 1.0
        with ctx.phase("calibrate"):
            if isinstance(self.temperature, int | float):
                temperature = float(self.temperature)
            elif known.shape[0]:
                rng = ctx.generator("calibrate")
                temperature = crossfit_temperature(
                    known, ctx.labelled_targets.to(known.device), ctx.n_classes, rng
                )
            if isinstance(self.bandwidth, str):
                bandwidth = labelled_bandwidth(known, self.bandwidth)
            else:
                bandwidth = self.bandwidth
        weights = margin(ctx.unlabelled.logits.double() / temperature)
        if not known.shape[0]:
            weights = torch.ones_like(weights)  # an untrained classifier's margins say nothing
        with ctx.phase("pick") as progress:
            picks = sharded_herding(
                ctx.embeddings,
                len(ctx.unlabelled),
                n,
                ctx.world,
                known,
                weights,
                bandwidth,
                self.kernel,
                self.targets,
                ctx.generator("targets"),
                progress=progress,
            )
        return picks._replace(log={**picks.log, "temperature": temperature, "bandwidth": bandwidth})
