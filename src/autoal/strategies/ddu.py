"""Deep deterministic uncertainty: the density of features, and the entropy of the prediction."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.config.values import NotNegative, Positive
from autoal.errors import AutoALError
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.kernels.uncertainty import entropy
from autoal.learned.density import gaussian_log_density
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("ddu")
class DDU(QueryStrategy):
    r"""Lowest density of the embedding under class-conditional Gaussians of the labelled samples.

    The density measures what the classifier does not know (epistemic uncertainty) and decides the query; the
    entropy of the softmax measures what nobody can know (aleatoric uncertainty) and is reported. With
    ``entropy_weight`` :math:`w`, the score is :math:`\mathrm{z}(-\log q) + w\,\mathrm{z}(H)`, both terms
    standardised over the pool.

    Args:
        strength: Weight, in samples, of the pooled covariance in each class's; null: the embedding's width.
        entropy_weight: :math:`w`; the paper's acquisition is 0.
    """

    info = StrategyInfo(
        "uncertainty",
        "lowest feature density under class-conditional Gaussians",
        "Mukhoti, Kirsch, van Amersfoort, Torr, Gal: Deep Deterministic Uncertainty",
        "CVPR 2023",
    )

    def __init__(self, strength: Positive | None = None, entropy_weight: NotNegative = 0.0) -> None:
        if strength is not None and strength <= 0:
            raise AutoALError(f"ddu: strength={strength} must be positive, or null for the embedding's width")
        self.strength, self.entropy_weight = strength, entropy_weight

    @property
    def needs(self) -> Needs:
        """Embeddings of both pools."""
        return Needs(embeddings=True, labelled=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Fit the Gaussians and take the least dense."""
        with ctx.phase("density"):
            density = gaussian_log_density(
                ctx.embeddings,
                ctx.labelled_embeddings,
                ctx.labelled_targets,
                ctx.n_classes,
                self.strength,
            )
        ambiguity = entropy(ctx.unlabelled.logits.double())
        score = -density
        if self.entropy_weight:
            score = _standardised(score) + self.entropy_weight * _standardised(ambiguity)
        rows = top_n(score, n)
        log = {
            "ddu_log_density": float(density[rows].mean()),
            "ddu_log_density_pool": float(density.mean()),
            "ddu_entropy": float(ambiguity[rows].mean()),
            "ddu_entropy_pool": float(ambiguity.mean()),
        }
        return Picks(rows, score[rows], log)


def _standardised(x: Tensor) -> Tensor:
    spread = x.std(unbiased=False)
    return (x - x.mean()) / torch.where(spread > 0, spread, 1.0)
