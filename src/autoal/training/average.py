"""The running average of a network's weights over the steps of a round."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from autoal.models.classifier import Classifier


class WeightAverage(nn.Module):
    r"""An exponential moving average of the weights, as a network of its own.

    .. math:: \bar\theta_t = d_t \bar\theta_{t-1} + (1 - d_t) \theta_t, \quad
              d_t = \min\Big(d, \frac{1 + t}{10 + t}\Big)

    and :math:`\bar\theta_0 = \theta_0`, the weights after the first step. The factor :math:`d_t` rises to d, so
    that a round of a few hundred steps does not end near its first weights. Buffers, such as the running
    statistics of batch normalisation, are copies of the network's: they are averages already.

    Args:
        net: A network of the kind, which becomes the average.
        decay: d.

    Attributes:
        net: The averaged network; it needs no gradients.
        steps: Steps taken in so far.
    """

    def __init__(self, net: Classifier, decay: float) -> None:
        super().__init__()
        self.net = net.requires_grad_(False)
        self.decay = decay
        self.steps = 0

    def restart(self) -> None:
        """Begin anew: the next weights are the average."""
        self.steps = 0

    def update(self, net: Classifier) -> None:
        """Take in the weights and buffers of a network after a step."""
        mine = [p.detach() for p in self.net.parameters()]
        theirs = [p.detach() for p in net.parameters()]
        t = self.steps
        decay = min(self.decay, (1 + t) / (10 + t)) if t else 0.0
        get_ema_multi_avg_fn(decay)(mine, theirs, 0)
        for own, other in zip(self.net.buffers(), net.buffers(), strict=True):
            own.copy_(other)
        self.steps += 1

    def get_extra_state(self) -> dict[str, Any]:
        """Return the number of steps."""
        return {"steps": self.steps}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore :meth:`get_extra_state`."""
        self.steps = int(state["steps"])
