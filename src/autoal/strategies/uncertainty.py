"""Uncertainty of one deterministic prediction, and of the mean of MC-dropout predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from autoal.config.values import Count
from autoal.kernels import uncertainty
from autoal.query.contract import QueryContext, ScoreStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


class _Uncertainty(ScoreStrategy):
    kernel: ClassVar[Callable[..., Tensor]]

    def score(self, ctx: QueryContext) -> Tensor:
        """Apply the kernel to the logits."""
        return type(self).kernel(ctx.unlabelled.logits)


@register("least_confidence")
class LeastConfidence(_Uncertainty):
    r"""Highest :math:`1 - \max_c p_c`."""

    info = StrategyInfo(
        "uncertainty",
        "lowest probability of the predicted class",
        "Lewis, Gale: A Sequential Algorithm for Training Text Classifiers",
        "SIGIR 1994",
    )
    kernel = staticmethod(uncertainty.least_confidence)


@register("margin")
class Margin(_Uncertainty):
    r"""Smallest difference of the two largest probabilities."""

    info = StrategyInfo(
        "uncertainty",
        "smallest gap between the two most probable classes",
        "Scheffer, Decomain, Wrobel: Active Hidden Markov Models for Information Extraction",
        "IDA 2001",
    )
    kernel = staticmethod(uncertainty.margin)


@register("entropy")
class Entropy(_Uncertainty):
    r"""Highest :math:`-\sum_c p_c \log p_c`."""

    info = StrategyInfo(
        "uncertainty",
        "highest entropy of the prediction",
        "Shannon: A Mathematical Theory of Communication; Settles: Active Learning Literature Survey",
        "2009",
    )
    kernel = staticmethod(uncertainty.entropy)


class _MeanUncertainty(_Uncertainty):
    """The same scores of the mean prediction over MC-dropout samples.

    Args:
        n_samples: Number T of dropout masks.
    """

    def __init__(self, n_samples: Count = 10) -> None:
        self.n_samples = n_samples

    @property
    def needs(self) -> Needs:
        """T MC-dropout samples."""
        return Needs(mc_samples=self.n_samples, spread=True)

    def score(self, ctx: QueryContext) -> Tensor:
        """Apply the kernel to the log of the mean probability."""
        score = type(self).kernel(uncertainty.mean_log_prob(ctx.mc_logits))
        return ctx.world.gather_rows(score, len(ctx.unlabelled))


_MC = "Gal, Islam, Ghahramani: Deep Bayesian Active Learning with Image Data"


@register("least_confidence_mc")
class LeastConfidenceMC(_MeanUncertainty):
    """Least confidence of the mean MC-dropout prediction."""

    info = StrategyInfo("Bayesian", "least confidence of the mean MC-dropout prediction", _MC, "ICML 2017")
    kernel = staticmethod(uncertainty.least_confidence)


@register("margin_mc")
class MarginMC(_MeanUncertainty):
    """Margin of the mean MC-dropout prediction."""

    info = StrategyInfo("Bayesian", "margin of the mean MC-dropout prediction", _MC, "ICML 2017")
    kernel = staticmethod(uncertainty.margin)


@register("entropy_mc")
class EntropyMC(_MeanUncertainty):
    """Entropy of the mean MC-dropout prediction."""

    info = StrategyInfo("Bayesian", "entropy of the mean MC-dropout prediction", _MC, "ICML 2017")
    kernel = staticmethod(uncertainty.entropy)
