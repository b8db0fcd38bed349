"""True labels, for ceilings: how well a round could go if everything were known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.models.classifier import Classifier
from autoal.training.evaluation import evaluate


@dataclass(frozen=True)
class Truth:
    """Labels that nobody has bought. Only a strategy that declares ``reads_truth`` is given them.

    Attributes:
        labels: ``labels(ids) -> (n,)``: classes of training samples, bought or not.
        test_error: ``test_error(net) -> fraction``: share of the test set that a network gets wrong, the same on
            every rank.
    """

    labels: Callable[[Tensor], Tensor]
    test_error: Callable[[Classifier], float]


def truth_of(data: ActiveLearningDataModule) -> Truth:
    """Return the true labels of a data set."""
    return Truth(data.oracle.reveal, lambda net: 1.0 - evaluate(net, data, *data.test_part()).accuracy)
