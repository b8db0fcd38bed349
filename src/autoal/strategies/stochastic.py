"""Batches drawn in favour of high scores of any scoring strategy: power, softmax and softrank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from autoal import kernels
from autoal.errors import AutoALError
from autoal.kernels.stochastic import Form
from autoal.kernels.types import Picks
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext, QueryStrategy, ScoreStrategy, StrategyInfo
from autoal.query.registry import build, register
from autoal.training.hooks import TrainingHook
from autoal.training.inference import Needs
from autoal.training.task import Task

_PAPER = (
    "Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron, Gal: Stochastic Batch Acquisition: A Simple "
    "Baseline for Deep Active Learning"
)


class _Stochastic(QueryStrategy):
    """Perturb the scores of a base strategy by noise that belongs to the round and the sample's id.

    Args:
        base: A strategy that scores each sample by itself: a name, or a mapping of ``name`` and options.
        beta: Inverse temperature; 0 draws uniformly, a large one takes the highest scores.
    """

    form: ClassVar[Form]

    order = "nested"

    def __init__(self, base: str | Mapping[str, Any] = "bald", beta: float = 1.0) -> None:
        chosen = build(base, "strategy.base")
        if not isinstance(chosen, ScoreStrategy):
            raise AutoALError(f"{self.name}: base={chosen.name} does not score samples one by one; try base=bald")
        if not beta >= 0:
            raise AutoALError(f"{self.name}: beta={beta} must not be negative")
        self.base = chosen
        self.beta = float(beta)

    @property
    def needs(self) -> Needs:
        """What the base strategy needs."""
        return self.base.needs

    @property
    def needs_experiment(self) -> bool:
        """Whether the base strategy does."""
        return self.base.needs_experiment

    def check(self, net: Classifier) -> None:
        """Refuse what the base strategy refuses."""
        self.base.check(net)

    def training_hook(self, task: Task) -> TrainingHook | None:
        """Return the base strategy's hook."""
        return self.base.training_hook(task)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Score, perturb, take the n best."""
        score = self.base.score(ctx.within("base"))
        key = ctx.stream_seed("gumbel")
        return kernels.stochastic_batch(score, n, key, ctx.unlabelled.ids, self.form, self.beta)

    def state_dict(self) -> dict[str, Any]:
        """Return the base strategy's state."""
        return {"base": self.base.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.base.load_state_dict(state["base"])


@register("power")
class Power(_Stochastic):
    r"""Chances proportional to :math:`s^\beta`; over ``bald`` this is PowerBALD."""

    info = StrategyInfo("Bayesian", "drawn in proportion to a power of any score (PowerBALD)", _PAPER, "TMLR 2023")
    form = "power"


@register("softmax_batch")
class SoftmaxBatch(_Stochastic):
    r"""Chances proportional to :math:`e^{\beta s}`."""

    info = StrategyInfo("Bayesian", "drawn in proportion to the exponential of any score", _PAPER, "TMLR 2023")
    form = "softmax"


@register("softrank_batch")
class SoftrankBatch(_Stochastic):
    r"""Chances proportional to :math:`r^{-\beta}`, r being the rank by score."""

    info = StrategyInfo("Bayesian", "drawn in proportion to a power of the rank by any score", _PAPER, "TMLR 2023")
    form = "softrank"
