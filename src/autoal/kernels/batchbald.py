"""BatchBALD: the batch whose labels together tell most about the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_finite, check_shape, row_blocks, uniform
from autoal.kernels.lazy import TIE, lazy_greedy
from autoal.kernels.mc import bald
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks


@full_precision()
def batchbald(
    mc_logits: Tensor,
    n: int,
    generator: torch.Generator,
    configurations: int = 1024,
    progress: Progress | None = None,
) -> Picks:
    r"""Greedily maximise the mutual information of a whole batch of labels and the weights.

    Kirsch, van Amersfoort, Gal, *BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active
    Learning*, NeurIPS 2019:
    :math:`I(y_S; \theta) = H(y_S) - \sum_{i \in S} \frac1T \sum_t H(y_i | \theta_t)`. The joint
    distribution of the labels of t picks has :math:`C^t` configurations. It is kept exactly while that is at most
    ``configurations``; then the information is submodular, and gains of earlier picks are bounds that save most
    evaluations (the picks are those of the plain algorithm). Beyond, as many configurations are sampled from the
    joint distribution, every gain is estimated anew for each pick, and a pick costs N T C ``configurations``: for
    batches far above ten samples the power form of BALD (:func:`autoal.kernels.stochastic_batch`) costs less.

    Args:
        mc_logits: ``(T, N, C)`` logits of T >= 2 stochastic passes.
        n: Number of picks, 1 to N.
        generator: The source of randomness of the sampled configurations.
        configurations: Largest number of label configurations.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the gain in nats (estimated for sampled configurations). The first pick is that of
        BALD; of equal gains the lower row is chosen. Logs ``exact_picks`` (picks made with the exact joint) and
        ``evaluations``, how many gains were computed.

    Raises:
        AutoALError: If shapes, values, n or ``configurations`` are not usable, or T < 2.

    Example:
        >>> import torch
        >>> mc = torch.tensor([[[9.0, 0], [9, 0], [9, 0]], [[9, 0], [0, 9], [0, 9]]])
        >>> batchbald(mc, 1, torch.Generator()).index
        tensor([1])
    """
    check_shape("mc_logits", mc_logits, None, None, None)
    check_finite("mc_logits", mc_logits)
    check_count(n, mc_logits.shape[1])
    if configurations < 1:
        raise AutoALError(f"configurations={configurations}: at least 1 label configuration is needed.")
    classes = mc_logits.shape[2]
    exact = 1
    while exact < n and classes**exact <= configurations:
        exact += 1
    bounds = bald(mc_logits.double())
    joint = _Joint(mc_logits, configurations, generator)
    greedy = lazy_greedy(bounds, exact, joint.gains, joint.add, progress)
    index, score = torch.empty(n, dtype=torch.int64), torch.zeros(n, dtype=torch.float64)
    index[:exact], score[:exact] = greedy.index, greedy.gain
    evaluations = greedy.evaluations
    free = torch.ones(mc_logits.shape[1], dtype=torch.bool, device=mc_logits.device)
    free[greedy.index.to(free.device)] = False
    for row in greedy.index[exact - greedy.filled :].tolist():
        joint.add(row)
    for step in range(exact, n):
        rows = free.nonzero().squeeze(1)
        gains = joint.gains(rows)
        evaluations += rows.numel()
        best = gains.max()
        place = int((gains >= best - TIE * best.abs().clamp(min=1.0)).nonzero()[0])
        index[step], score[step] = rows[place], gains[place]
        free[rows[place]] = False
        joint.add(int(rows[place]))
        if progress is not None:
            progress(step + 1, n)
    log = {"exact_picks": float(exact), "evaluations": float(evaluations)}
    return Picks(index.to(mc_logits.device), score.to(mc_logits.device), log)


class _Joint:
    """Label configurations of the picks: every one, or a sample of them.

    ``table`` holds the probability of each configuration under each pass, ``(M, T)`` float64.
    """

    def __init__(self, mc_logits: Tensor, limit: int, generator: torch.Generator) -> None:
        self._mc = mc_logits
        self._limit = limit
        self._generator = generator
        self._picked: list[int] = []
        passes = mc_logits.shape[0]
        self.table = torch.ones(1, passes, dtype=torch.float64, device=mc_logits.device)
        self._sampled = False

    def _probabilities(self, rows: Tensor) -> Tensor:
        """``(T, m, C)`` float64."""
        return torch.softmax(self._mc[:, rows].double(), dim=2)

    def add(self, row: int) -> None:
        """Extend the configurations by the labels of one more pick."""
        self._picked.append(row)
        p = self._probabilities(torch.tensor([row], device=self._mc.device))[:, 0]  # (T, C)
        if not self._sampled and self.table.shape[0] * p.shape[1] <= self._limit:
            self.table = (self.table[:, None, :] * p.T[None]).flatten(0, 1)
            return
        self._sampled = True
        self.table = self._sample()

    def _sample(self) -> Tensor:
        """Draw configurations of all picks from their joint distribution: a pass, then its labels.

        Each row is divided by its largest entry, which changes no gain and keeps long products from underflow.
        """
        count, passes = self._limit, self._mc.shape[0]
        which = (uniform(count, self._generator) * passes).long().clamp(max=passes - 1).to(self._mc.device)
        logs = torch.zeros(count, passes, dtype=torch.float64, device=self._mc.device)
        for row in self._picked:
            p = self._probabilities(torch.tensor([row], device=self._mc.device))[:, 0]
            edges = torch.cumsum(p, 1)[which].contiguous()  # (M, C)
            luck = uniform(count, self._generator).to(p.device).unsqueeze(1) * edges[:, -1:]
            label = torch.searchsorted(edges, luck, right=True).squeeze(1).clamp(max=p.shape[1] - 1)
            logs += p.log().clamp(min=-1e4)[:, label].T
        return (logs - logs.amax(1, keepdim=True)).exp()

    def gains(self, rows: Tensor) -> Tensor:
        """What each row adds to the information, ``(m,)`` float64, never negative.

        It is the information between the row's label and the weights given a configuration, averaged over
        configurations, which needs no difference of large joint entropies.
        """
        total, passes = self.table.sum(1, keepdim=True), self._mc.shape[0]
        posterior = self.table / total  # (M, T): weights of the passes given the configuration
        chance = (
            total.squeeze(1) / total.sum() if not self._sampled else torch.full_like(total[:, 0], 1 / len(total))
        )
        out = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
        width = 6 * self._mc.shape[2] * (len(self.table) + passes)
        for low, high in row_blocks(len(rows), width, self._mc.device):
            p = self._probabilities(rows[low:high])
            flat = p.flatten(1)  # (T, m C)
            mean = posterior @ flat  # (M, m C)
            entropy = -torch.xlogy(mean, mean).view(len(mean), high - low, -1).sum(2)  # (M, m)
            own = -torch.xlogy(p, p).sum(2)  # (T, m)
            weight = chance @ posterior  # (T,), 1 / T for the exact joint
            out[low:high] = chance @ entropy - weight @ own
        return out.clamp_(min=0)
