"""What was bought: how much two strategies agree, and how balanced their classes are.

Ledgers are by far the largest files of a run (one line per label), so they are read with one regular expression
over the bytes; a file that does not look like what the framework writes is read as JSON, line by line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoal.analysis.curves import FloatArray
from autoal.analysis.runs import Problem, Run
from autoal.analysis.settings import Setting
from autoal.rundir.names import LEDGER

__all__ = ["Bought", "SelectionSummary", "read_ledger", "summarise_selection"]

_LINE = re.compile(
    rb'^\{"round": ?\d+, ?"id": ?(\d+), ?"label": ?(-?\d+), [^\n]*?"source": ?"(\w)\w*"[^\n]*\}$', re.MULTILINE
)
_MAX_CLASSES = 1000


@dataclass(frozen=True)
class Bought:
    """The labels that a strategy chose (neither the initial set nor validation labels).

    Attributes:
        ids: Sample ids, sorted, each once.
        labels: Class of each sample, same order.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass
class SelectionSummary:
    """Agreement and class balance of the strategies of one setting.

    Attributes:
        names: Strategies with at least one ledger.
        overlap: Mean over common seeds of the share of bought samples that both bought, shape ``(M, M)``;
            relative to the smaller purchase; NaN without a common seed.
        classes: Classes that occur, sorted.
        shares: Mean over seeds of each class's share of the purchase, shape ``(M, K)``.
        balance: Mean over seeds of the entropy of the classes bought, divided by that of equal shares: 1 is
            perfectly balanced; shape ``(M,)``.
        problems: Ledgers that could not be read.
    """

    names: list[str] = field(default_factory=list)
    overlap: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    classes: list[int] = field(default_factory=list)
    shares: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    balance: FloatArray = field(default_factory=lambda: np.zeros(0))
    problems: list[Problem] = field(default_factory=list)


def read_ledger(path: Path) -> Bought | None:
    """Read which samples a run's strategy bought.

    Args:
        path: ``ledger.jsonl``.

    Returns:
        The purchases with source ``query``; None if there is no file.

    Raises:
        ValueError: If a line other than a torn last one is no ledger line, or an id stands twice.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    raw = raw[: raw.rfind(b"\n") + 1]
    found = _LINE.findall(raw)
    if len(found) == raw.count(b"\n"):
        table = [(row[0], row[1]) for row in found if row[2] == b"q"]
        flat = np.array(table, dtype="S20").astype(np.int64).reshape(-1, 2)
    else:
        flat = _read_lines(raw)
    order = np.argsort(flat[:, 0], kind="stable")
    ids, labels = flat[order, 0], flat[order, 1]
    if np.any(ids[1:] == ids[:-1]):
        raise ValueError(f"sample {ids[1:][ids[1:] == ids[:-1]][0]} is bought twice")
    return Bought(ids, labels)


def _read_lines(raw: bytes) -> NDArray[np.int64]:
    rows = []
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            entry = json.loads(line)
            if entry["source"] == "query":
                rows.append((int(entry["id"]), int(entry["label"])))
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"line {number} is not a ledger line") from None
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def summarise_selection(
    setting: Setting, track: Callable[[Sequence[Run], str], Iterable[Run]] | None = None
) -> SelectionSummary:
    """Read the ledgers of a setting and compare what was bought.

    Args:
        setting: The setting.
        track: Wraps the sequence of runs to show progress.

    Returns:
        The summary; empty if no run has a ledger.
    """
    summary = SelectionSummary()
    bought: dict[str, dict[tuple[str, int], Bought]] = {}
    runs = [run for name in setting.strategies for run in setting.runs[name]]
    for run in track(runs, "reading ledgers") if track else runs:
        try:
            purchases = read_ledger(run.path / LEDGER)
        except (OSError, ValueError) as error:
            message = f"{LEDGER}: {error}; left out of overlap and class balance"
            summary.problems.append(Problem("damaged", str(run.path), message))
            continue
        if purchases is not None and purchases.ids.size:
            bought.setdefault(run.strategy, {})[run.pair_key] = purchases
    summary.names = [name for name in setting.strategies if name in bought]
    summary.overlap = _overlap([bought[name] for name in summary.names])
    _balance(summary, [list(bought[name].values()) for name in summary.names])
    return summary


def _overlap(bought: Sequence[dict[tuple[str, int], Bought]]) -> FloatArray:
    m = len(bought)
    overlap = np.full((m, m), math.nan)
    for i in range(m):
        for j in range(i + 1, m):
            shares = [
                np.intersect1d(a.ids, b.ids, assume_unique=True).size / min(a.ids.size, b.ids.size)
                for key, a in bought[i].items()
                if (b := bought[j].get(key)) is not None
            ]
            if shares:
                overlap[i, j] = overlap[j, i] = float(np.mean(shares))
    return overlap


def _balance(summary: SelectionSummary, bought: Sequence[Sequence[Bought]]) -> None:
    if not bought:
        return
    classes = np.unique(np.concatenate([p.labels for group in bought for p in group]))
    if classes.size > _MAX_CLASSES:
        return
    summary.classes = [int(c) for c in classes]
    shares, balance = [], []
    for group in bought:
        each = np.array([np.bincount(np.searchsorted(classes, p.labels), minlength=classes.size) for p in group])
        each = each / each.sum(axis=1, keepdims=True)
        shares.append(each.mean(axis=0))
        entropy = -np.sum(np.where(each > 0, each * np.log(np.where(each > 0, each, 1.0)), 0.0), axis=1)
        balance.append(float(np.mean(entropy)) / math.log(classes.size) if classes.size > 1 else math.nan)
    summary.shares = np.array(shares)
    summary.balance = np.array(balance)
