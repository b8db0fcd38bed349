"""ALFA-Mix: samples whose label flips when their features are mixed with labelled ones."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import Count, LearningRate, NotNegative
from autoal.kernels.alfamix import Mode
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("alfamix")
class ALFAMix(QueryStrategy):
    """Find samples that flip under feature mixing, cluster them, take one per cluster.

    Args:
        mode: ``closed_form`` (exact ray formula), ``reference`` (the published loop of the same),
            ``alpha_opt`` (learned mixing ratio) or ``random_alpha``.
        alpha_cap: First cap of the mixing ratio and its step; the paper uses 0.2 with the closed form, the
            published program 1/32 otherwise.
        learning_rate: Step of ``alpha_opt``.
        learning_iterations: Tests per class and cap of ``alpha_opt``.
        clf_coef: Coefficient of the cross-entropy in ``alpha_opt``.
        l2_coef: Coefficient of the norm of the ratio in ``alpha_opt``.
        max_iter: Largest number of k-means iterations over the candidates.
        batch_size: Mini-batch size of k-means for very many candidates; None uses all of them at once.
    """

    info = StrategyInfo(
        "hybrid",
        "diverse samples whose label flips under feature mixing",
        "Parvaneh, Abbasnejad, Teney, Haffari, van den Hengel, Shi: Active Learning by Feature Mixing",
        "CVPR 2022",
    )

    def __init__(
        self,
        mode: Mode = "closed_form",
        alpha_cap: float = 0.2,
        learning_rate: LearningRate = 0.1,
        learning_iterations: Count = 5,
        clf_coef: NotNegative = 1.0,
        l2_coef: NotNegative = 0.01,
        max_iter: Count = 300,
        batch_size: Count | None = None,
    ) -> None:
        kernels.alfamix_options(mode, alpha_cap, learning_iterations)
        self.mode: Mode = mode
        self.alpha_cap = alpha_cap
        self.learning_rate = learning_rate
        self.learning_iterations = learning_iterations
        self.clf_coef = clf_coef
        self.l2_coef = l2_coef
        self.max_iter = max_iter
        self.batch_size = batch_size

    @property
    def needs(self) -> Needs:
        """Embeddings of pool and labelled samples."""
        return Needs(embeddings=True, labelled=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Mix towards the class means of the labelled embeddings."""
        head = ctx.net.head
        with ctx.phase("pick") as progress:
            return kernels.alfamix(
                ctx.embeddings,
                ctx.unlabelled.logits,
                ctx.labelled_embeddings,
                ctx.labelled_targets,
                head.weight.detach(),
                head.bias.detach(),
                n,
                ctx.generator(),
                mode=self.mode,
                alpha_cap=self.alpha_cap,
                learning_rate=self.learning_rate,
                learning_iterations=self.learning_iterations,
                clf_coef=self.clf_coef,
                l2_coef=self.l2_coef,
                max_iter=self.max_iter,
                batch_size=self.batch_size,
                progress=progress,
            )
