"""Which pseudo-labels count, and how much: the formulas of the methods, on plain tensors.

A *pseudo-label* is the class that the classifier predicts for an unlabelled sample; its *confidence* is the
probability of that class. Everything here is computed from the probabilities of a whole batch, in float64, so that
every process of an experiment finds the same.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fixed(probs: Tensor, threshold: float) -> Tensor:
    r"""Keep the samples whose confidence reaches a threshold (Lee 2013; Sohn et al. 2020, FixMatch).

    .. math:: \lambda_b = 1[\max_c q_{bc} \ge \tau]

    Args:
        probs: Probabilities ``(n, C)``.
        threshold: :math:`\tau`.

    Returns:
        Weights 0 or 1, ``(n,)``.

    Example:
        >>> fixed(torch.tensor([[0.96, 0.04], [0.5, 0.5]]), 0.95)
        tensor([1., 0.])
    """
    return (probs.max(1).values >= threshold).to(probs.dtype)


def flexible(probs: Tensor, counts: Tensor, unused: int, threshold: float) -> Tensor:
    r"""Lower the threshold of classes that few samples have reached it for (Zhang et al. 2021, FlexMatch).

    .. math:: \lambda_b = 1\Big[\max_c q_{bc} \ge \tau \frac{\beta_k}{2 - \beta_k}\Big], \quad
              \beta_c = \frac{n_c}{\max(\max_{c'} n_{c'}, n_0)}

    where k is the pseudo-label.

    Args:
        probs: Probabilities ``(n, C)``.
        counts: :math:`n_c`: how many unlabelled samples last reached :math:`\tau` for class c, ``(C,)``.
        unused: :math:`n_0`: how many have never reached it.
        threshold: :math:`\tau`.

    Returns:
        Weights 0 or 1, ``(n,)``.

    Example:
        >>> flexible(torch.tensor([[0.6, 0.4], [0.4, 0.6]]), torch.tensor([10, 5]), 0, 0.9)
        tensor([0., 1.])
    """
    confidence, label = probs.max(1)
    beta = counts.to(probs) / max(int(counts.max()), unused, 1)
    return (confidence >= threshold * (beta / (2 - beta))[label]).to(probs.dtype)


def self_adaptive(probs: Tensor, level: Tensor, share: Tensor) -> Tensor:
    r"""Take a threshold from the confidences themselves, one per class (Wang et al. 2023, FreeMatch).

    .. math:: \lambda_b = 1\Big[\max_c q_{bc} \ge \tau \frac{\tilde p_k}{\max_c \tilde p_c}\Big]

    where k is the pseudo-label.

    Args:
        probs: Probabilities ``(n, C)``.
        level: :math:`\tau`, the running mean of the confidences, a scalar.
        share: :math:`\tilde p`, the running mean of the probabilities, ``(C,)``.

    Returns:
        Weights 0 or 1, ``(n,)``.

    Example:
        >>> self_adaptive(torch.tensor([[0.7, 0.3], [0.4, 0.6]]), torch.tensor(0.8), torch.tensor([0.6, 0.4]))
        tensor([0., 1.])
    """
    confidence, label = probs.max(1)
    return (confidence >= level * (share / share.max())[label]).to(probs.dtype)


def fairness(strong: Tensor, weights: Tensor, share: Tensor, histogram: Tensor) -> Tensor:
    r"""Ask that classes be predicted as often as they are believed to occur (Wang et al. 2023, FreeMatch).

    .. math:: L_f = \sum_c a_c \log b_c, \quad a \propto \tilde p / \tilde h, \quad b \propto \bar p / \bar h

    :math:`\bar p` and :math:`\bar h` are the mean probabilities of the strong views and the shares of their
    predicted classes, over the samples that count. A class that none of these predicts has :math:`b_c = 0`.

    Args:
        strong: Probabilities of the strong views ``(n, C)``, with gradients.
        weights: 0 or 1, which samples count, ``(n,)``.
        share: :math:`\tilde p`, ``(C,)``.
        histogram: :math:`\tilde h`, the running shares of the pseudo-labels, ``(C,)``.

    Returns:
        :math:`L_f`, to be added to the loss; 0 where no sample counts.

    Example:
        >>> even = torch.full((2,), 0.5)
        >>> fairness(torch.tensor([[0.8, 0.2], [0.2, 0.8]]), torch.ones(2), even, even)
        tensor(-0.6931)
    """
    total = weights.sum().clamp(min=1)
    mean = (strong * weights[:, None]).sum(0) / total
    predicted = torch.zeros_like(share).index_add(0, strong.argmax(1), weights) / total
    wanted = _normed(share / histogram.clamp(min=1e-12))
    found = _normed(torch.where(predicted > 0, mean / predicted.clamp(min=1e-12), 0.0))
    term = (wanted * torch.log(found + 1e-12)).sum()
    return torch.where(weights.sum() > 0, term, torch.zeros_like(term))


def _normed(x: Tensor) -> Tensor:
    return x / x.sum().clamp(min=1e-12)


def truncated_gaussian(confidence: Tensor, mean: Tensor, variance: Tensor, n_sigma: float) -> Tensor:
    r"""Weigh samples below the mean confidence by a Gaussian, those above it fully (Chen et al. 2023, SoftMatch).

    .. math:: \lambda_b = \exp\Big(-\frac{\min(m_b - \mu, 0)^2}{2 \sigma^2 / n_\sigma^2}\Big)

    Args:
        confidence: :math:`m`, ``(n,)``.
        mean: :math:`\mu`, the running mean of the confidences, a scalar.
        variance: :math:`\sigma^2`, their running variance, a scalar.
        n_sigma: :math:`n_\sigma`.

    Returns:
        Weights in (0, 1], ``(n,)``.

    Example:
        >>> truncated_gaussian(torch.tensor([0.9, 0.5]), torch.tensor(0.7), torch.tensor(0.04), 1.0)
        tensor([1.0000, 0.6065])
    """
    below = (confidence - mean).clamp(max=0)
    return torch.exp(-below.square() / (2 * variance.clamp(min=1e-12) / n_sigma**2))


def aligned(probs: Tensor, share: Tensor) -> Tensor:
    r"""Rescale probabilities so that on average all classes are equally likely (uniform alignment, SoftMatch).

    .. math:: \tilde q_{bc} \propto q_{bc} \frac{1 / C}{\hat p_c}

    Args:
        probs: :math:`q`, ``(n, C)``.
        share: :math:`\hat p`, the running mean of the probabilities, ``(C,)``.

    Returns:
        Probabilities ``(n, C)``.

    Example:
        >>> aligned(torch.tensor([[0.6, 0.4]]), torch.tensor([0.75, 0.25]))
        tensor([[0.3333, 0.6667]])
    """
    scaled = probs / (len(share) * share.clamp(min=1e-12))
    return scaled / scaled.sum(1, keepdim=True)


def moved(average: Tensor, value: Tensor, decay: float) -> Tensor:
    """Return a running average one step on, ``decay * average + (1 - decay) * value``.

    Example:
        >>> moved(torch.tensor(1.0), torch.tensor(0.0), 0.9)
        tensor(0.9000)
    """
    return decay * average + (1 - decay) * value
