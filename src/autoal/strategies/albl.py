"""Active learning by learning: a bandit chooses among strategies by importance-weighted accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor

from autoal.config.values import Count, Range
from autoal.kernels.types import Picks
from autoal.learned.exp4p import Exp4P
from autoal.query.candidates import CandidateStrategy, bought_rows
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.registry import register
from autoal.strategies.random import Random


@register("albl")
class ALBL(CandidateStrategy):
    r"""EXP4.P over candidate strategies, rewarded by the accuracy of the classifier that their picks led to.

    Each round one candidate is drawn by the bandit's probabilities p, and its batch is bought. A sample i is
    bought with probability :math:`q_i = \sum_k p_k \psi_{ki}`, where :math:`\psi_{ki}` is 1 if candidate k's batch
    holds i (n over the pool's size for random sampling). After the training that follows, every candidate is
    credited with

    .. math:: \hat r_k = \frac rn \sum_{i \in B} \frac{\psi_{ki}}{q_i}, \qquad
              r = \frac{\sum_i [f(x_i) = y_i] / q_i}{\sum_i 1 / q_i},

    r running over all samples bought so far (Hsu & Lin 2015, one query at a time; this is their rule for batches).
    The paper divides by the pool's size times the horizon; dividing by the sum of the weights estimates the same
    accuracy, stays in [0, 1] and does not jump whenever a rarely chosen candidate is drawn. The variance bound of
    candidate k is :math:`\hat v_k = 1 / p_k`, since each candidate is an expert that advises only itself.

    Args:
        candidates: Strategies to choose among.
        horizon: Number of queries T that the bandit plans for; the YAML takes it from the loop.
        delta: Probability with which the regret bound may fail.
    """

    info = StrategyInfo(
        "search",
        "a bandit (EXP4.P) over strategies, rewarded by weighted accuracy",
        "Hsu, Lin: Active Learning by Learning",
        "AAAI 2015",
    )

    def __init__(
        self,
        candidates: Sequence[str | Mapping[str, Any]] = ("random", "margin", "kmeans"),
        horizon: Count = 10,
        delta: Annotated[float, Range(0, 1, "()")] = 0.1,
    ) -> None:
        super().__init__(candidates)
        self.bandit = Exp4P(len(self.candidates), horizon, delta)
        self._ids = torch.zeros(0, dtype=torch.int64)
        self._weights = torch.zeros(0, dtype=torch.float64)
        self._credit: dict[str, Tensor] = {}

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Reward the last batch, draw a candidate and take its batch."""
        reward = self._learn(ctx)
        p = self.bandit.probabilities()
        batches = [self.ask(ctx, k, n) for k in range(len(self.candidates))]
        psi = self._inclusion(batches, len(ctx.unlabelled), n)
        q = p @ psi
        chosen = int(torch.multinomial(p, 1, generator=ctx.generator("draw")))
        picks = batches[chosen]
        rows = picks.index.cpu()
        self._remember(ctx.unlabelled.ids[rows], q[rows], psi[:, rows], p)
        log = {"albl_arm": float(chosen), **({} if reward is None else {"albl_reward": reward})}
        log |= {f"albl_p_{label}": float(value) for label, value in zip(self.labels, p, strict=True)}
        return Picks(picks.index, picks.score, {**picks.log, **log})

    def _inclusion(self, batches: list[Picks], size: int, n: int) -> Tensor:
        """Return the probability that each candidate's batch holds each sample, ``(K, N)``."""
        psi = torch.zeros(len(batches), size, dtype=torch.float64)
        for k, (candidate, batch) in enumerate(zip(self.candidates, batches, strict=True)):
            if isinstance(candidate, Random):
                psi[k] = n / size
            else:
                psi[k, batch.index.cpu()] = 1.0
        return psi

    def _remember(self, ids: Tensor, q: Tensor, psi: Tensor, p: Tensor) -> None:
        """Keep what the next round's reward needs.

        Args:
            ids: What was bought ``(n,)``.
            q: Probability that it was ``(n,)``; positive, since the drawn candidate holds it.
            psi: Probability that each candidate's batch holds it ``(K, n)``.
            p: Probability that each candidate was drawn ``(K,)``.
        """
        self._ids = torch.cat([self._ids, ids])
        self._weights = torch.cat([self._weights, 1.0 / q])
        self._credit = {"reward": (psi / q).mean(1), "variance": 1.0 / p}

    def _learn(self, ctx: QueryContext) -> float | None:
        """Update the bandit from the classifier that the last batch led to; returns the reward."""
        place = bought_rows(ctx, self._ids)
        bought = place >= 0
        if not self._credit or not bool(bought.any()):
            return None
        predicted = ctx.known.logits.argmax(1).cpu()
        right = (predicted == ctx.labelled_targets.cpu())[place[bought]].double()
        weights = self._weights[bought]
        reward = float((weights * right).sum() / weights.sum())
        self.bandit.update(reward * self._credit["reward"], self._credit["variance"])
        self._credit = {}
        return reward

    def state_dict(self) -> dict[str, Any]:
        """Return the bandit's weights, the importance weights and the open credit."""
        own = {"ids": self._ids, "weights": self._weights, "credit": dict(self._credit)}
        return {**super().state_dict(), "bandit": self.bandit.state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        super().load_state_dict(state)
        self.bandit.load_state_dict(state["bandit"])
        self._ids, self._weights = state["ids"].clone(), state["weights"].clone()
        self._credit = dict(state["credit"])
