"""Which samples are labelled: the state of the pool.

Knows ids (rows of the training set) and labels; nothing of models, of files or of how samples are chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from autoal.errors import AutoALError

UNLABELLED, LABELLED, VALIDATION, EXCLUDED, TEST = 0, 1, 2, 3, 4


class Pool:
    """The state of every training sample: unlabelled, labelled, validation, test or excluded.

    Args:
        size: Number of training samples N; ids are ``0..N-1``.
        excluded: Ids that can never be bought (samples without a known label).

    Attributes:
        may_grow: Whether the pool of a checkpoint may be smaller, because samples have come since.
    """

    may_grow = False

    def __init__(self, size: int, excluded: Tensor | None = None) -> None:
        if size < 1:
            raise AutoALError(f"the pool is empty (size {size})")
        self._state = torch.zeros(size, dtype=torch.uint8)
        self._labels = torch.full((size,), -1, dtype=torch.int64)
        if excluded is not None:
            self._state[excluded] = EXCLUDED

    def __len__(self) -> int:
        return int(self._state.shape[0])

    @property
    def labelled(self) -> Tensor:
        """Ids with a bought training label, ascending, int64."""
        return self._where(LABELLED)

    @property
    def unlabelled(self) -> Tensor:
        """Ids that can still be bought, ascending, int64."""
        return self._where(UNLABELLED)

    @property
    def trainable(self) -> Tensor:
        """Ids whose inputs training may see, labelled or not: none held out, none excluded; ascending, int64."""
        return ((self._state == UNLABELLED) | (self._state == LABELLED)).nonzero().squeeze(1)

    @property
    def validation(self) -> Tensor:
        """Ids whose bought labels serve validation, ascending, int64."""
        return self._where(VALIDATION)

    @property
    def test(self) -> Tensor:
        """Ids whose bought labels serve the test, ascending, int64."""
        return self._where(TEST)

    @property
    def n_bought(self) -> int:
        """Number of labels bought, whatever they serve."""
        return int((self._labels >= 0).sum())

    def exclude(self, ids: Tensor) -> None:
        """Take unlabelled samples out of the pool; others stay what they are."""
        unlabelled = ids[self._state[ids] == UNLABELLED]
        self._state[unlabelled] = EXCLUDED

    def readmit(self, ids: Tensor) -> None:
        """Put excluded samples back into the pool; others stay what they are."""
        excluded = ids[self._state[ids] == EXCLUDED]
        self._state[excluded] = UNLABELLED

    def relabel(self, ids: Tensor, labels: Tensor) -> None:
        """Correct bought labels.

        Raises:
            AutoALError: If one of them has not been bought.
        """
        self.labels(ids)
        self._labels[ids] = labels.to(torch.int64).cpu()

    def _where(self, state: int) -> Tensor:
        return (self._state == state).nonzero().squeeze(1)

    def labels(self, ids: Tensor) -> Tensor:
        """Return the bought labels of ``ids``.

        Raises:
            AutoALError: If one of them has not been bought.
        """
        labels = self._labels[ids.cpu()]
        if (labels < 0).any():
            raise AutoALError(f"the label of sample {int(ids.cpu()[labels < 0][0])} has not been bought")
        return labels

    def class_balance(self, n_classes: int) -> float:
        """Return how evenly the training labels are spread over the classes, from 0 (one class) to 1 (evenly).

        The entropy of the classes' shares divided by that of even shares, ``H(n_c / n) / log C``.

        Args:
            n_classes: Number of classes C, those without a label included.

        Example:
            >>> pool = Pool(4)
            >>> pool.add(torch.tensor([0, 1]), torch.tensor([0, 1]))
            >>> pool.class_balance(2), pool.class_balance(4)
            (1.0, 0.5)
        """
        counts = torch.bincount(self._labels[self._state == LABELLED], minlength=n_classes).double()
        entropy = float(torch.special.entr(counts / counts.sum().clamp(min=1)).sum())
        return entropy / math.log(n_classes) if n_classes > 1 else 1.0

    def check_buyable(self, ids: Iterable[int] | Tensor) -> Tensor:
        """Check that ``ids`` are unique, inside the pool and not yet bought; return them as int64.

        Raises:
            AutoALError: Naming the first offending id.
        """
        wanted = torch.as_tensor(list(ids) if not isinstance(ids, Tensor) else ids, dtype=torch.int64).cpu()
        outside = wanted[(wanted < 0) | (wanted >= len(self))]
        if len(outside):
            raise AutoALError(f"id {int(outside[0])} is outside the pool (valid: 0..{len(self) - 1})")
        values, counts = wanted.unique(return_counts=True)
        if (counts > 1).any():
            raise AutoALError(f"id {int(values[counts > 1][0])} stands more than once in one query")
        taken = wanted[self._state[wanted] != UNLABELLED]
        if len(taken):
            raise AutoALError(f"id {int(taken[0])} can't be bought: it is not in the unlabelled pool")
        return wanted

    def add(self, ids: Tensor, labels: Tensor, validation: bool = False, test: bool = False) -> None:
        """Move bought samples out of the unlabelled pool.

        Args:
            ids: The samples ``(n,)``.
            labels: Their labels ``(n,)``.
            validation: Whether they serve validation and not training.
            test: Whether they serve the test and not training.

        Raises:
            AutoALError: See :meth:`check_buyable`; the pool is unchanged then.
        """
        wanted = self.check_buyable(ids)
        self._state[wanted] = TEST if test else VALIDATION if validation else LABELLED
        self._labels[wanted] = labels.to(torch.int64).cpu()

    def state_dict(self) -> dict[str, Any]:
        """Return the pool's state for a checkpoint."""
        return {"state": self._state.clone(), "labels": self._labels.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`.

        Raises:
            AutoALError: If it belongs to a pool of another size.
        """
        known = len(state["state"])
        if known != len(self) and not (self.may_grow and known < len(self)):
            raise AutoALError(f"the checkpoint's pool has {known} samples, this one {len(self)}")
        gone = (self._state[:known] == EXCLUDED) & (state["state"] == UNLABELLED)
        self._state[:known] = torch.where(gone, self._state[:known], state["state"])
        self._labels[:known] = state["labels"]
