"""Cost-effective active learning: a base strategy, and pseudo-labels where the classifier is sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from autoal.config.values import NotNegative, Positive
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.kernels.uncertainty import entropy
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import build, register
from autoal.training.hooks import Samples, TrainingHook, join_hooks
from autoal.training.inference import Needs
from autoal.training.task import Task


class PseudoLabels(TrainingHook):
    """Adds pseudo-labelled samples to the training set of one round.

    What a query proposes trains in the round that follows it, and in no other.
    """

    def __init__(self) -> None:
        super().__init__()
        self._current: Samples | None = None
        self._proposed: Samples | None = None

    def propose(self, ids: Tensor, classes: Tensor) -> None:
        """Name the samples of the next round: ids ``(n,)`` and predicted classes ``(n,)``."""
        self._proposed = (ids.cpu(), classes.cpu())

    def on_round_start(self, round_: int) -> None:
        """Forget the last round's pseudo-labels and take up what was proposed for this one."""
        self._current, self._proposed = self._proposed, None

    def extra_samples(self) -> Samples | None:
        """Return this round's pseudo-labelled samples."""
        return self._current

    def get_extra_state(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps (none is written between a query and the round after it)."""
        if self._current is None:
            return {}
        return {"ids": self._current[0], "classes": self._current[1]}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Restore :meth:`get_extra_state`."""
        self._current = (state["ids"], state["classes"]) if state else None


@register("ceal")
class CEAL(QueryStrategy):
    r"""Any base strategy; samples with an entropy below a threshold train with their predicted class.

    A sample that is not picked is pseudo-labelled for the next round where
    :math:`-\sum_c p_c \log p_c < \delta_t`. The paper lowers the threshold by a constant, which makes it
    negative in a long run; here :math:`\delta_t = \delta_0 / (1 + t\, d / \delta_0)`, which falls at the
    paper's rate :math:`d` at first and stays positive.

    What the threshold means depends on how sure a network is. Three pairs are in use:

    ========= ======= =====================================================================================
    threshold decay   from
    ========= ======= =====================================================================================
    0.005     0.00033 the re-implementation on the paper's Caltech-256 (rafikg/CEAL); the default
    0.05      0.0033  another re-implementation, on CIFAR-10 (dhaalves/CEAL_keras)
    5e-5      3.3e-7  DeepAL+, which lowers the threshold by t times the decay in round t
    ========= ======= =====================================================================================

    Few labels and a high threshold are a trap: pseudo-labels soon outnumber labels by far, are wrong together, and
    the next round learns them.

    Args:
        base: The strategy that picks: a name, or a mapping of ``name`` and its options.
        threshold: :math:`\delta_0` in nats.
        decay: :math:`d`, nats per round.
    """

    info = StrategyInfo(
        "hybrid",
        "any base strategy plus pseudo-labels of high confidence",
        "Wang, Zhang, Li, Zhang, Lin: Cost-Effective Active Learning for Deep Image Classification",
        "IEEE TCSVT 2017",
    )

    def __init__(
        self, base: str | Mapping[str, Any] = "entropy", threshold: Positive = 0.005, decay: NotNegative = 0.00033
    ) -> None:
        if threshold <= 0 or decay < 0:
            raise AutoALError(f"ceal: threshold={threshold} must be positive and decay={decay} not negative")
        self.base = build(base, "strategy.base")
        self.initial_threshold, self.decay = float(threshold), float(decay)
        self._hook: PseudoLabels | None = None

    @property
    def needs(self) -> Needs:
        """What the base strategy needs."""
        return self.base.needs

    def check(self, net: Classifier) -> None:
        """Refuse what the base strategy refuses."""
        self.base.check(net)

    def training_hook(self, task: Task) -> TrainingHook | None:
        """Return the hook that brings the pseudo-labels, with the base strategy's own if it has one."""
        self._hook = PseudoLabels()
        return join_hooks([self.base.training_hook(task), self._hook])

    def threshold(self, round_: int) -> float:
        """Return the entropy below which a sample is pseudo-labelled after a round, in nats."""
        return self.initial_threshold / (1.0 + round_ * self.decay / self.initial_threshold)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Ask the base strategy, and propose pseudo-labels for the rest."""
        picks = self.base.select(ctx.within("base"), n)
        logits = ctx.unlabelled.logits.double()
        sure = (entropy(logits) < self.threshold(ctx.round)).cpu()
        # Whether a sample was bought is decided by the pool when the round starts, the same on every rank.
        if self._hook is not None:
            self._hook.propose(ctx.unlabelled.ids[sure], logits.argmax(1).cpu()[sure])
        sure[picks.index.cpu()] = False
        log = {"ceal_threshold": self.threshold(ctx.round), "ceal_pseudo_labels": float(sure.sum())}
        return picks._replace(log={**picks.log, **log})

    def state_dict(self) -> dict[str, Any]:
        """Return the base strategy's state."""
        return {"base": self.base.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.base.load_state_dict(state["base"])
