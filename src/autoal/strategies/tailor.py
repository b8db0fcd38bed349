"""TAILOR: Thompson sampling chooses among strategies by the rare classes that they find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.candidates import CandidateStrategy, bought_rows
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.registry import register


@register("tailor")
class Tailor(CandidateStrategy):
    r"""Thompson sampling over candidate strategies for pools of uneven classes.

    What class a candidate's next pick will have is believed to follow
    :math:`\theta_k \sim \mathrm{Dirichlet}(1 + a_k)`. For each of the n picks, every :math:`\theta_k` is drawn
    anew and the pick is given to the candidate with the largest :math:`\theta_k^\top v`, where
    :math:`v_c = 1 / \max(1, m_c)` values a class by how rare it is among the labels bought so far. When their
    labels are known, :math:`a_k` becomes :math:`\gamma a_k` plus the class counts of the candidate's picks
    (Zhang et al. 2023, the multi-class rule).

    The released code differs in two places: there :math:`v_c` is negative for a class of more than half of the
    labels, and a second one in the prior, :math:`\mathrm{Dirichlet}(1 + \gamma^t + a_k)` after t rounds, starts it
    at Dirichlet(2).

    Args:
        candidates: Strategies to choose among.
        discount: :math:`\gamma`, how much of the old counts is kept; 1 forgets nothing.
    """

    info = StrategyInfo(
        "search",
        "Thompson sampling over strategies, rewarded by rare classes",
        "Zhang, Shao, Verma, Nowak: Algorithm Selection for Deep Active Learning with Imbalanced Datasets",
        "NeurIPS 2023",
    )

    def __init__(
        self,
        candidates: Sequence[str | Mapping[str, Any]] = ("random", "margin", "kmeans"),
        discount: float = 0.9,
    ) -> None:
        super().__init__(candidates)
        if not 0.0 < discount <= 1.0:
            raise AutoALError(f"tailor: discount={discount} is not in (0, 1]")
        self.discount = discount
        self._counts: Tensor | None = None
        self._pending = torch.zeros(0, 2, dtype=torch.int64)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Learn from the last batch, share the picks out and let each candidate make its own."""
        counts = self._learn(ctx)
        share = self._share_out(ctx, counts, n)
        rows, scores, asked, log = self._ask(ctx, share)
        self._pending = torch.stack([ctx.unlabelled.ids[rows], asked], dim=1)
        log |= {f"tailor_{label}": share[k] / n for k, label in enumerate(self.labels)}
        present = torch.bincount(ctx.labelled_targets.cpu(), minlength=ctx.n_classes)
        log["tailor_rarest"] = float(present.min())
        return Picks(rows, scores, log)

    def _learn(self, ctx: QueryContext) -> Tensor:
        """Add the classes of the last batch to its candidates' counts; returns the counts ``(K, C)``."""
        counts = self._counts
        if counts is None:
            counts = torch.zeros(len(self.candidates), ctx.n_classes, dtype=torch.float64)
        place = bought_rows(ctx, self._pending[:, 0])
        bought = place >= 0
        if bool(bought.any()):
            counts = self.discount * counts
            classes = ctx.labelled_targets.cpu()[place[bought]]
            one = torch.ones(len(classes), dtype=torch.float64)
            counts.index_put_((self._pending[bought, 1], classes), one, accumulate=True)
        self._pending = self._pending[:0]
        self._counts = counts
        return counts

    def _share_out(self, ctx: QueryContext, counts: Tensor, n: int) -> list[int]:
        """Return how many picks each candidate makes, by n rounds of Thompson sampling."""
        held = torch.bincount(ctx.labelled_targets.cpu(), minlength=ctx.n_classes)
        value = 1.0 / held.clamp(min=1).double().numpy()
        draws = np.random.default_rng(ctx.stream_seed("thompson"))
        gains = np.stack([draws.dirichlet(1.0 + a, size=n) @ value for a in counts.numpy()])
        return [int(x) for x in np.bincount(gains.argmax(0), minlength=len(self.candidates))]

    def _ask(self, ctx: QueryContext, share: list[int]) -> tuple[Tensor, Tensor, Tensor, dict[str, float]]:
        """Ask each candidate for its share, out of what the ones before it have left.

        Returns:
            Rows of the pool, scores, the candidate of each row, and the candidates' columns.
        """
        free = torch.ones(len(ctx.unlabelled), dtype=torch.bool)
        rows, scores, asked = [], [], []
        log: dict[str, float] = {}
        for k, m in enumerate(share):
            if m == 0:
                continue
            left = free.nonzero().squeeze(1)
            picks = self.ask(replace(ctx, unlabelled=ctx.unlabelled.take(left)), k, m)
            mine = left[picks.index.cpu()]
            free[mine] = False
            rows.append(mine)
            scores.append(picks.score.detach().double().cpu())
            asked.append(torch.full((m,), k, dtype=torch.int64))
            log |= picks.log
        return torch.cat(rows), torch.cat(scores), torch.cat(asked), log

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, and whose picks wait for their labels."""
        counts = {} if self._counts is None else {"counts": self._counts}
        return {**super().state_dict(), **counts, "pending": self._pending}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        super().load_state_dict(state)
        self._counts = state["counts"].clone() if "counts" in state else None
        self._pending = state["pending"].clone()
