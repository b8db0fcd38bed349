"""CAL: samples that are predicted otherwise than their labelled neighbours."""

from __future__ import annotations

from torch import Tensor

from autoal import kernels
from autoal.config.values import Count
from autoal.errors import AutoALError
from autoal.query.contract import QueryContext, ScoreStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("cal")
class CAL(ScoreStrategy):
    """Highest mean divergence from the predictions of the nearest labelled samples.

    Args:
        neighbours: Labelled neighbours per sample; the paper uses 10.
    """

    info = StrategyInfo(
        "hybrid",
        "prediction unlike those of the nearest labelled samples",
        "Margatina, Vernikos, Barrault, Aletras: Active Learning by Acquiring Contrastive Examples",
        "EMNLP 2021",
    )

    def __init__(self, neighbours: Count = 10) -> None:
        if neighbours < 1:
            raise AutoALError(f"strategy 'cal': neighbours={neighbours}, but at least 1 is needed")
        self.neighbours = neighbours

    @property
    def needs(self) -> Needs:
        """Embeddings of pool and labelled samples."""
        return Needs(embeddings=True, labelled=True)

    def score(self, ctx: QueryContext) -> Tensor:
        """Return the mean divergence."""
        return kernels.cal(
            ctx.embeddings,
            ctx.unlabelled.logits,
            ctx.labelled_embeddings,
            ctx.known.logits,
            self.neighbours,
        )
