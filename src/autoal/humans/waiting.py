"""A run that waits for people, and the oracle that they are."""

from __future__ import annotations

import shlex
from pathlib import Path

import torch
from torch import Tensor

from autoal.data.oracle import Oracle
from autoal.errors import AutoALError
from autoal.humans.standing import Standing


class Waiting(BaseException):
    """The run has asked people and can't go on before they have answered; its state is on disk.

    Not an ``Exception``, so that no ``except Exception`` on the way holds it up.

    Args:
        query: The query's identity.
        wanted: Labels that are wanted.
        missing: Items without an answer or with disputed ones.
    """

    def __init__(self, query: str, wanted: int, missing: int) -> None:
        super().__init__(query)
        self.query = query
        self.wanted = wanted
        self.missing = missing

    def line(self, run_dir: Path) -> str:
        """Return what a person reads: what is asked and with which command it is answered."""
        command = f"autoal label {shlex.quote(str(run_dir))}"
        return f"waiting: {run_dir} query {self.query}, {self.missing} images: {command}"


def missing_line(run_dir: Path, standing: Standing) -> str:
    """Return how many answers a query lacks, in one line."""
    disputed = f" ({len(standing.disputed)} disputed)" if standing.disputed else ""
    return (
        f"{standing.missing} of {standing.wanted} missing{disputed}: query {standing.query.query} of {run_dir}; "
        f"answer with: autoal label {shlex.quote(str(run_dir))}"
    )


class People(Oracle):
    """Knows the labels that the data came with, and those that it is told.

    Args:
        targets: Class of every training sample, ``(N,)``; ``-1`` where nobody has labelled it yet.
    """

    holds_truth = False
    answers_at_once = False

    def __init__(self, targets: Tensor) -> None:
        super().__init__(targets)
        self.labelled_before = super().known()

    def known(self) -> Tensor:
        """Return a mask ``(N,)`` of the samples that can be asked for: all."""
        return torch.ones(len(self), dtype=torch.bool)

    def learn(self, ids: Tensor, labels: Tensor) -> None:
        """Take labels that people gave."""
        self._targets[ids] = labels.to(torch.int64)

    def draw_class_balanced(self, candidates: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Refuse: nobody knows the classes before they are asked.

        Raises:
            AutoALError: Always.
        """
        raise AutoALError("loop.init=class_balanced reads labels, which nobody knows yet with oracle=human")
