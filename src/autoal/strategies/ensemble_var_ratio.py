"""Deep ensembles: members that differ only in their initial weights vote on each sample."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from autoal.config.values import Count
from autoal.errors import AutoALError
from autoal.kernels.mc import var_ratio
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.kernels.uncertainty import entropy, mean_log_prob
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs, pool_pass
from autoal.training.task import Task


@register("ensemble_var_ratio")
class EnsembleVarRatio(QueryStrategy):
    r"""Highest share of ensemble members that do not predict the most frequent class.

    :math:`v = 1 - f_m / M` over M classifiers of independent initial weights, trained by the experiment's own
    recipe. The classifier of the experiment is the first of them; the other M - 1 are trained in the query, in
    the phase ``members``. With five members the score has four levels, so equal scores are ordered by the entropy
    of the mean prediction.

    Args:
        members: M, at least 2.
        warm: Continue the members from the last round's weights instead of their initial ones.
    """

    info = StrategyInfo(
        "Bayesian",
        "highest share of ensemble members off the mode",
        "Beluch, Genewein, Nuernberger, Koehler: The Power of Ensembles for Active Learning",
        "CVPR 2018",
    )

    def __init__(self, members: Count = 5, warm: bool = False) -> None:
        if members < 2:
            raise AutoALError(f"ensemble_var_ratio: members={members}, but an ensemble has at least 2")
        self.members, self.warm = members, warm
        self._weights: list[dict[str, Tensor]] = []

    @property
    def needs_experiment(self) -> bool:
        """Its members are trained by the experiment's recipe."""
        return True

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Train the members and take the samples on which they disagree most."""
        logits, epochs = self._member_logits(ctx, ctx.required_task)
        ratio = var_ratio(logits)
        log_classes = math.log(max(2, ctx.n_classes))
        # Less than the step 1/M between two ratios, so it orders only equal ones.
        score = ratio + 0.5 / self.members * entropy(mean_log_prob(logits)) / log_classes
        rows = top_n(score, n)
        log = {
            "ens_var_ratio": float(ratio[rows].mean()),
            "ens_var_ratio_pool": float(ratio.mean()),
            "ens_epochs": epochs,
        }
        return Picks(rows, score[rows], log)

    def _member_logits(self, ctx: QueryContext, task: Task) -> tuple[Tensor, float]:
        """Train every further member; returns all members' logits ``(M, N, C)`` and their mean epochs."""
        found, epochs = [ctx.unlabelled.logits], 0
        total = (self.members - 1) * task.epochs
        kept: list[dict[str, Tensor]] = []
        with ctx.phase("members") as progress:
            for member in range(1, self.members):
                net = self._start(task, member)
                before = (member - 1) * task.epochs
                stream = ("member", member, ctx.round)
                result = task.fit(
                    net,
                    ctx.labelled_ids,
                    ctx.labelled_targets,
                    stream,
                    lambda done, _, before=before: progress(before + done, total),  # type: ignore[misc]
                )
                epochs += result.epochs
                found.append(pool_pass(net, task.data, ctx.unlabelled.ids, Needs()).logits)
                if self.warm:
                    kept.append({k: v.detach().cpu().clone() for k, v in net.state_dict().items()})
        self._weights = kept
        return torch.stack(found), epochs / (self.members - 1)

    def _start(self, task: Task, member: int) -> Classifier:
        net = task.new_net("member", member)
        if self.warm and self._weights:
            net.load_state_dict(self._weights[member - 1])
        return net

    def state_dict(self) -> dict[str, Any]:
        """Return the members' weights, if they are kept between rounds."""
        return {"weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._weights = [dict(w) for w in state["weights"]]
