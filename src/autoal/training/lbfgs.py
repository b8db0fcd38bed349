"""Training a head to its optimum: full-batch L-BFGS with an L2 penalty, as an optimiser like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as torch_dist
from torch import Tensor

from autoal.config.values import Count, NotNegative


class LBFGS(torch.optim.LBFGS):
    r"""Minimises the loss of one batch that holds every labelled sample, to its optimum in a single step.

    .. math:: \min_{W, b} \frac1n \sum_i \ell(W z_i + b, y_i) + \frac\lambda2 \|W\|_F^2

    Biases are not penalised, so a linear head is scikit-learn's ``LogisticRegression(C=1 / (n * l2))``. Of two
    classes scikit-learn has one row of weights and the head two; ``C=2 / (n * l2)`` is the same then. The loss
    must be the same function at each evaluation: no dropout in training (see :attr:`full_batch`). On several
    ranks the loss is averaged over them, so that all take the same line-search steps.

    Args:
        params: Parameters to train.
        lr: First step length of the line search.
        l2: :math:`\lambda`, the penalty of weight matrices.
        max_iter: Iterations per step at most.
        tolerance_grad: The optimum is reached where no entry of the gradient is larger.
        tolerance_change: Or where loss and parameters change by less.
        history_size: Update pairs that are kept.

    Attributes:
        full_batch: Tells the training that a batch holds all samples and that nothing is dropped.
        converged: Whether the last step ended at the optimum and not at ``max_iter``.
        again: Computes loss and gradients of the batch once more, without what surrounds a training step; None:
            the closure does. Only for a look between the first and the last of a step.
    """

    full_batch = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1.0,
        l2: NotNegative = 1e-3,
        max_iter: Count = 500,
        tolerance_grad: NotNegative = 1e-5,
        tolerance_change: NotNegative = 1e-9,
        history_size: Count = 20,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn="strong_wolfe",
        )
        self.l2 = l2
        self.max_iter = max_iter
        self.converged = False
        self.again: Callable[[], Tensor] | None = None

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]  # torch's is typed as float
        """Go to the optimum.

        Args:
            closure: Clears the gradients, computes the loss and its gradients, returns the loss.

        Returns:
            The penalised loss at the start, as torch's own does.
        """
        weights = [p for group in self.param_groups for p in group["params"] if p.ndim > 1]
        state = self.state[self.param_groups[0]["params"][0]]
        before = int(state.get("n_iter", 0))
        looked = False

        @torch.enable_grad()
        def penalised() -> Tensor:
            nonlocal looked
            look = self.again if looked and self.again is not None else closure
            looked = True
            loss = _mean_over_ranks(look())
            with torch.no_grad():
                for weight in weights:
                    assert weight.grad is not None, "the closure computes gradients"
                    weight.grad.add_(weight, alpha=self.l2)
                    loss = loss + 0.5 * self.l2 * weight.square().sum()
            return loss

        first = super().step(penalised)  # type: ignore[no-untyped-call]
        self.converged = int(state.get("n_iter", 0)) - before < self.max_iter
        closure()  # what the module counts of a batch is that of the optimum, not of the last trial point
        return first


def _mean_over_ranks(loss: Tensor) -> Tensor:
    loss = loss.detach().clone()
    if torch_dist.is_available() and torch_dist.is_initialized() and torch_dist.get_world_size() > 1:
        torch_dist.all_reduce(loss)
        loss /= torch_dist.get_world_size()
    return loss


def is_full_batch(optimizer: object) -> bool:
    """Whether an optimiser (or its class) wants every labelled sample in one batch."""
    return bool(getattr(optimizer, "full_batch", False))


def reached_optimum(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a full-batch optimiser has nothing left to do; False for all others."""
    return isinstance(optimizer, LBFGS) and optimizer.converged
