"""Evaluation on a split: accuracy, loss and calibration, each sample counted once on any number of ranks."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_auroc

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.models.classifier import Classifier
from autoal.training.inference import evaluating, network_dtype

MOST_LOGITS = 5_000_000
"""Test samples times classes up to which the area under the ROC curve is measured: it sorts every class."""

BINS = 15
"""Bins of the calibration error, as in the field's tables."""


def _nobody() -> Tensor:
    return torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation in which every sample counts once.

    Attributes:
        accuracy: Fraction of samples classified right.
        loss: Mean cross-entropy in nats, which is the negative log-likelihood of the labels.
        ece: Expected calibration error, see :func:`calibration_error`.
        predicted: Class of the largest logit of each sample, int64, ``(N,)``, on the CPU.
        targets: The classes, int64, ``(N,)``, on the CPU.
        auroc: See :func:`macro_auroc`; NaN where it was not asked for.
    """

    accuracy: float
    loss: float
    ece: float
    predicted: Tensor = field(default_factory=_nobody, compare=False)
    targets: Tensor = field(default_factory=_nobody, compare=False)
    auroc: float = math.nan


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
    auroc: bool = False,
) -> Evaluation:
    """Evaluate the network on a split, exactly, on any number of ranks.

    Args:
        net: The classifier.
        data: Gives inputs and this rank's place.
        split: ``"test"``, ``"val"`` or ``"train"``.
        ids: Which rows; default all.
        targets: Their classes; default the split's (never for ``"train"``).
        auroc: Whether to measure the area under the ROC curve, for which the logits meet on every rank.
    """
    device = next(net.parameters()).device
    loader = data.eval_loader(split, ids)
    every = data.split(split).targets if targets is None else targets
    mine = data.world.shard(every).to(device)
    kept: list[Tensor] = []
    auroc = auroc and len(every) * data.dataset.info.n_classes <= MOST_LOGITS
    predicted = torch.empty(len(mine), dtype=torch.int64, device=device)
    sums = torch.zeros(3, dtype=torch.float64, device=device)
    bins = torch.zeros((3, BINS), dtype=torch.float64, device=device)
    start = 0
    with evaluating(net):
        for raw in loader:
            logits = net(data.transform.eval(raw.to(device), network_dtype(net))).logits
            y = mine[start : start + len(raw)]
            predicted[start : start + len(raw)] = logits.argmax(1)
            start += len(raw)
            if auroc:
                kept.append(logits.float())
            loss = nn.functional.cross_entropy(logits.double(), y, reduction="sum")
            sums += torch.stack(
                [(predicted[start - len(y) : start] == y).sum().double(), loss, torch.ones_like(loss) * len(y)]
            )
            bins += calibration_sums(logits, y)
    correct, loss_sum, count = data.world.sum(sums).tolist()
    return Evaluation(
        correct / count,
        loss_sum / count,
        calibration_error(data.world.sum(bins)),
        data.world.gather_rows(predicted, len(every)).cpu(),
        every.cpu(),
        _area(data, kept, every, device) if auroc else math.nan,
    )


def _area(data: ActiveLearningDataModule, kept: list[Tensor], every: Tensor, device: torch.device) -> float:
    own = torch.cat(kept) if kept else torch.empty((0, data.dataset.info.n_classes), device=device)
    return macro_auroc(data.world.gather_rows(own, len(every)).cpu(), every.cpu())


def macro_auroc(logits: Tensor, targets: Tensor) -> float:
    """Return the mean over classes of the area under the ROC curve of one class against the rest.

    The score of a class is its softmax probability. A class without a sample, or with every sample, has no curve
    and is left out.

    Args:
        logits: ``(N, C)``.
        targets: ``(N,)`` int64 classes.

    Returns:
        The mean; NaN where no class has a curve.

    Example:
        >>> macro_auroc(torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1]))
        1.0
    """
    n, c = logits.shape
    counts = torch.bincount(targets, minlength=c)
    with_curve = (counts > 0) & (counts < n)
    if not with_curve.any():
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says which classes have no curve
        areas = multiclass_auroc(logits.double().softmax(1), targets, c, average=None, validate_args=False)
    return float(areas[with_curve].mean())
