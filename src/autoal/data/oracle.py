"""The oracle: the only way to a label."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from autoal.errors import AutoALError


class Oracle:
    """Answers with the label of a sample when it is bought, and at no other time.

    Args:
        targets: Class of every training sample, int64, ``(N,)``; ``-1`` where nobody knows it.

    Attributes:
        holds_truth: It could say every label now, so a ceiling may read them; not one that asks people.
        answers_at_once: It answers within the query, so a strategy may steer by labels inside a batch; not one
            that collects questions for later.
    """

    holds_truth: ClassVar[bool] = True
    answers_at_once: ClassVar[bool] = True

    def __init__(self, targets: Tensor) -> None:
        self._targets = targets.to(torch.int64).cpu()

    def __len__(self) -> int:
        return int(self._targets.shape[0])

    def buy(self, ids: Tensor) -> Tensor:
        """Return the labels of ``ids``, shape ``(n,)``.

        Raises:
            AutoALError: If a sample has no known label.
        """
        labels = self._targets[ids.cpu()]
        if (labels < 0).any():
            missing = ids.cpu()[labels < 0]
            raise AutoALError(
                f"the oracle has no label for sample {int(missing[0])} ({len(missing)} such samples)"
            )
        return labels

    def draw_class_balanced(self, candidates: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` ids with equal class counts as far as possible.

        This reads labels before they are bought: it is a documented exception, for protocols whose
        initial set is balanced by hand.

        Args:
            candidates: Ids to draw from, ``(M,)``.
            n: How many.
            generator: Source of randomness.
        """
        shuffled = candidates[torch.randperm(len(candidates), generator=generator)]
        labels = self._targets[shuffled]
        rank_in_class = torch.empty_like(labels)
        for label in labels.unique():
            where = (labels == label).nonzero().squeeze(1)
            rank_in_class[where] = torch.arange(len(where))
        # Stable: one of each class, then a second of each, ...; ties in the order of the shuffle.
        order = torch.argsort(rank_in_class, stable=True)
        return shuffled[order[:n]]

    def reveal(self, ids: Tensor) -> Tensor:
        """Return the labels of ``ids`` without a sale, only for ceilings: what they cost is never charged.

        Args:
            ids: Samples ``(n,)``.

        Raises:
            AutoALError: If one has no known label.
        """
        return self.buy(ids)

    def known(self) -> Tensor:
        """Return a mask ``(N,)`` of the samples that have a label to sell."""
        return self._targets >= 0
