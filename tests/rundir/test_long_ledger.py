"""The work of reading a ledger grows with its lines and not faster: a run of many labels resumes at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.oracle import Oracle
from autoal.data.pool import Pool
from autoal.distributed import World
from autoal.loop.purchases import Purchases
from autoal.loop.settings import LoopConfig
from autoal.rundir.ledger import Ledger


def calls_of_a_replay(path: Path, n: int) -> int:
    """Replay a ledger of ``n`` labels, bought one by one, and count the functions called, also those in C."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            place = {"round": max(0, i - 9), "source": "query" if i > 9 else "init"}
            entry = {"id": n - 1 - i, "label": 0, "strategy": "margin" if i > 9 else "random", "score": 0.5}
            file.write(json.dumps({**place, **entry, "time": "t"}) + "\n")
    data = SimpleNamespace(
        pool=Pool(n), oracle=Oracle(torch.zeros(n)), world=World(), split=lambda part: SimpleNamespace(names=())
    )
    loop = LoopConfig(n_init=10, n_query=1, n_rounds=n)
    purchases = Purchases(cast(ActiveLearningDataModule, data), Ledger(path), loop, "margin")
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        assert purchases.reconcile() == 0
    finally:
        sys.setprofile(None)
    return calls


def test_the_work_of_a_replay_grows_with_its_lines(tmp_path: Path) -> None:
    calls_of_a_replay(tmp_path / "ledger.jsonl", 10)  # what is imported at first use
    few, many = (calls_of_a_replay(tmp_path / "ledger.jsonl", n) for n in (1000, 3000))
    assert few < 60 * 1000
    assert many < 3.1 * few
