"""Disagreement of MC-dropout samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from autoal.config.values import Count
from autoal.kernels import mc
from autoal.query.contract import QueryContext, ScoreStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


class _Disagreement(ScoreStrategy):
    """Scores over T samples of the dropout head.

    Args:
        n_samples: Number T of dropout masks.
    """

    kernel: ClassVar[Callable[..., Tensor]]

    def __init__(self, n_samples: Count = 10) -> None:
        self.n_samples = n_samples

    @property
    def needs(self) -> Needs:
        """T MC-dropout samples."""
        return Needs(mc_samples=self.n_samples, spread=True)

    def score(self, ctx: QueryContext) -> Tensor:
        """Apply the kernel to the MC logits."""
        return ctx.world.gather_rows(type(self).kernel(ctx.mc_logits), len(ctx.unlabelled))


@register("bald")
class BALD(_Disagreement):
    """Highest mutual information between label and dropout mask."""

    info = StrategyInfo(
        "Bayesian",
        "highest mutual information between label and weights",
        "Houlsby, Huszar, Ghahramani, Lengyel: Bayesian Active Learning for Classification",
        "arXiv 2011",
    )
    kernel = staticmethod(mc.bald)


@register("var_ratio")
class VarRatio(_Disagreement):
    """Highest share of MC samples that do not predict the most frequent class."""

    info = StrategyInfo(
        "Bayesian",
        "highest share of MC predictions off the mode",
        "Freeman: Elementary Applied Statistics; Gal et al.: Deep Bayesian Active Learning",
        "ICML 2017",
    )
    kernel = staticmethod(mc.var_ratio)


@register("mean_std")
class MeanSTD(_Disagreement):
    """Highest mean over classes of the standard deviation over MC samples."""

    info = StrategyInfo(
        "Bayesian",
        "highest mean standard deviation of MC probabilities",
        "Kampffmeyer, Salberg, Jenssen: Semantic Segmentation of Small Objects and Uncertainty",
        "CVPRW 2016",
    )
    kernel = staticmethod(mc.mean_std)
