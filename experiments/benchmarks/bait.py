"""BAIT for the kernel benchmark: a plain version to compare with, and an oracle in float64."""

from __future__ import annotations

import torch
from torch import Tensor

BAIT_DIM = 384
BAIT_PICKS = 100
LABELLED = 200


def parts(x: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pool and labelled samples: embeddings and logits of both."""
    z = x[:, :BAIT_DIM].contiguous()
    return z[LABELLED:], logits[LABELLED:], z[:LABELLED], logits[:LABELLED]


def _setting(
    z: Tensor, logits: Tensor, known: Tensor, known_logits: Tensor, n: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows v of the candidates, M and the mean information, written out."""

    def rows(features: Tensor, outputs: Tensor) -> Tensor:
        top = torch.softmax(outputs.to(dtype), 1).amax(1, keepdim=True)
        return (top * (1 - top)).sqrt() * features.to(dtype)

    v, w = rows(z, logits), rows(known, known_logits)
    target = (v.T @ v + w.T @ w) / (len(v) + len(w))
    m = torch.eye(z.shape[1], dtype=dtype) + w.T @ w / (len(w) + n)
    return v * (n / (len(w) + n)) ** 0.5, m, target


def plain_bait(data: tuple[Tensor, Tensor, Tensor, Tensor], n: int, steps: int) -> list[int]:
    """The first forward steps with every gain computed anew: two products of the pool with D x D per step."""
    v, m, target = _setting(*data, n, torch.float32)
    picks: list[int] = []
    for _ in range(steps):
        x = v @ torch.linalg.inv(m)
        gain = ((x @ target) * x).sum(1) / (1 + (x * v).sum(1))
        gain[picks] = -torch.inf
        picks.append(int(gain.argmax()))
        m = m + torch.outer(v[picks[-1]], v[picks[-1]])
    return picks


def oracle_bait(data: tuple[Tensor, Tensor, Tensor, Tensor], n: int, every: int = 25) -> list[int]:
    """The greedy algorithm in float64, forward and backward, in the order in which samples were added.

    It keeps V M^-1 and V M^-1 F written out and computes both afresh every few steps.
    """
    v, m, target = _setting(*data, n, torch.float64)
    picks: list[int] = []
    x = y = v
    for step in range(2 * n):
        if step % every == 0:
            x = v @ torch.linalg.inv(m)
            y = x @ target
        gain = torch.linalg.vecdot(y, x) / (1 + torch.linalg.vecdot(x, v))
        gain[picks] = -torch.inf
        picks.append(int(gain.argmax()))
        row = v[picks[-1]]
        solved = torch.linalg.solve(m, row)
        along = (v @ solved) / (1 + row @ solved)
        x.addr_(along, solved, alpha=-1)
        y.addr_(along, target @ solved, alpha=-1)
        m = m + torch.outer(row, row)
    while len(picks) > n:
        rest = v[picks]
        inverse = torch.linalg.inv(m)
        solved = rest @ inverse
        loss = ((solved @ target) * solved).sum(1) / (1 - (solved * rest).sum(1))
        gone = picks.pop(int(loss.argmin()))
        m = m - torch.outer(v[gone], v[gone])
    return picks


def compared(ours: list[int], oracle: list[int]) -> str:
    """Say how the picks compare with the oracle's."""
    if ours == oracle:
        return f"float64 oracle: identical, {len(ours)} of {len(ours)} in order"
    return f"float64 oracle: {len(set(ours) & set(oracle))} of {len(ours)} picks in common"
