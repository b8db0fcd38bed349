"""Evaluation on a split: accuracy, loss and calibration, each sample counted once on any number of ranks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.models.classifier import Classifier
from autoal.training.inference import evaluating, network_dtype

BINS = 15
"""Bins of the calibration error, as in the field's tables."""


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation in which every sample counts once.

    Attributes:
        accuracy: Fraction of samples classified right.
        loss: Mean cross-entropy in nats, which is the negative log-likelihood of the labels.
        ece: Expected calibration error, see :func:`calibration_error`.
    """

    accuracy: float
    loss: float
    ece: float


def calibration_sums(logits: Tensor, targets: Tensor) -> Tensor:
    """Return (samples, sum of confidences, right predictions) of each confidence bin, ``(3, BINS)`` float64.

    The sums of two sets of samples, or of two ranks, add up.

    Args:
        logits: ``(N, C)``.
        targets: ``(N,)`` int64 classes.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64, device=logits.device)
    bins = (torch.bucketize(confidence, edges, right=True) - 1).clamp_(0, BINS - 1)
    values = torch.stack([torch.ones_like(confidence), confidence, (predicted == targets).double()])
    sums = torch.zeros((3, BINS), dtype=torch.float64, device=logits.device)
    return sums.index_add_(1, bins, values)


def calibration_error(sums: Tensor) -> float:
    r"""Return the expected calibration error of :func:`calibration_sums`.

    .. math:: \sum_b \frac{n_b}{N} \left| \mathrm{acc}_b - \mathrm{conf}_b \right|

    with the samples sorted by the probability of their predicted class into bins b of equal width.

    Example:
        >>> logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])  # says one half, and is right once
        >>> calibration_error(calibration_sums(logits, torch.tensor([0, 1])))
        0.0
    """
    counts, confidences, right = sums
    return float((right - confidences).abs().sum() / counts.sum())


def evaluate(
    net: Classifier,
    data: ActiveLearningDataModule,
    split: str,
    ids: Tensor | None = None,
    targets: Tensor | None = None,
) -> Evaluation:
    """Evaluate the network on a split, exactly, on any number of ranks.

    Args:
        net: The classifier.
        data: Gives inputs and this rank's place.
        split: ``"test"``, ``"val"`` or ``"train"``.
        ids: Which rows; default all.
        targets: Their classes; default the split's (never for ``"train"``).
    """
    device = next(net.parameters()).device
    loader = data.eval_loader(split, ids)
    mine = data.world.shard(data.split(split).targets if targets is None else targets).to(device)
    sums = torch.zeros(3, dtype=torch.float64, device=device)
    bins = torch.zeros((3, BINS), dtype=torch.float64, device=device)
    start = 0
    with evaluating(net):
        for raw in loader:
            logits = net(data.transform.eval(raw.to(device), network_dtype(net))).logits
            y = mine[start : start + len(raw)]
            start += len(raw)
            loss = nn.functional.cross_entropy(logits.double(), y, reduction="sum")
            sums += torch.stack([(logits.argmax(1) == y).sum().double(), loss, torch.ones_like(loss) * len(y)])
            bins += calibration_sums(logits, y)
    correct, loss_sum, count = data.world.sum(sums).tolist()
    return Evaluation(correct / count, loss_sum / count, calibration_error(data.world.sum(bins)))
