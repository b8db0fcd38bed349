"""The active-learning loop's settings, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from autoal.config.values import Count, Range, Whole, check, settings_of
from autoal.errors import AutoALError


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the loop (``conf/loop``).

    Attributes:
        n_init: Labels in the initial set.
        n_query: Labels bought per round.
        n_rounds: Queries after the initial set.
        init: ``"random"``, ``"class_balanced"`` (which reads labels to balance them), ``"typiclust"`` or
            ``"maxherding"`` (by static features, see :mod:`autoal.loop.cold_start`), or ``"labelled"`` (what the
            data come with, where people answer; ``n_init`` counts nothing then).
        epochs: Upper bound of epochs per round.
        steps_per_epoch: Optimiser steps of an epoch, for which the labelled samples are cycled; None: one pass.
        batch_size: Global training batch size.
        eval_batch_size: Batch size per rank of pool passes and evaluations.
        stop_train_acc: Stop a round when an epoch's running training accuracy reaches it; None: never.
        warm_start: Keep the weights between rounds instead of going back to the initial ones.
        n_val: Validation samples, bought at the start and charged to the budget.
        patience: Stop a round after this many epochs without a better validation accuracy; None: never.
        keep_best: Go back to the weights of the best validation accuracy at the end of a round.
        checkpoint_every: Also checkpoint every this many epochs within a round; 0: only at round ends.
        name: Name of the preset.
    """

    n_init: Count
    n_query: Count
    n_rounds: Whole
    init: Literal["random", "class_balanced", "typiclust", "maxherding", "labelled"] = "random"
    epochs: Count = 100
    steps_per_epoch: Count | None = None
    batch_size: Count = 64
    eval_batch_size: Count = 1024
    stop_train_acc: Annotated[float, Range(0, 1, "(]")] | None = None
    warm_start: bool = False
    n_val: Whole = 0
    patience: Count | None = None
    keep_best: bool = False
    checkpoint_every: Whole = 0
    name: str = ""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LoopConfig:
        """Read and check a ``loop`` config.

        Raises:
            AutoALError: Naming the key, its value and what is valid.
        """
        loop = cls(**check("loop", config, settings_of(cls)))
        if (loop.patience is not None or loop.keep_best) and loop.n_val == 0:
            raise AutoALError("loop.patience and loop.keep_best need a validation split: set loop.n_val > 0")
        return loop

    def check_pool(self, n_buyable: int, n_test: int = 0) -> None:
        """Check that the budget fits the pool.

        Args:
            n_buyable: Samples with a label for sale.
            n_test: Test labels that are bought too.

        Raises:
            AutoALError: With the arithmetic in the message.
        """
        n_init = 0 if self.init == "labelled" else self.n_init
        initial = n_init + self.n_val + n_test
        test = f" + oracle.n_test {n_test}" if n_test else ""
        if initial > n_buyable:
            raise AutoALError(
                f"loop.n_init + loop.n_val{test} = {initial} is larger than the pool of {n_buyable} samples"
            )
        total = initial + self.n_rounds * self.n_query
        if total > n_buyable:
            val = f" + n_val {self.n_val}" if self.n_val else ""
            raise AutoALError(
                f"the budget n_init {n_init}{val}{test} + n_rounds {self.n_rounds} * n_query {self.n_query} "
                f"= {total} is larger than the pool of {n_buyable} samples"
            )
