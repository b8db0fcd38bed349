"""People and several processes: rank 0 alone reads and writes what they say, and the run is the simulated one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoal.humans.answers import Desk
from tests.faults import lives
from tests.faults.lives import Fault
from tests.humans.people import answer_all, config, lines, outcome, write_digits, write_manifest

pytestmark = [pytest.mark.slow, pytest.mark.ddp]
RANKS = 2


def status(run_dir: Path) -> str:
    return str(json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))["status"])


def part(cfg: dict[str, Any], folder: Path, name: str, resume: bool = False) -> None:
    statuses = lives.live_on_ranks({name: cfg}, folder, RANKS, resume=resume)
    assert statuses == [0] * RANKS, lives.log_of(folder / name)


def test_two_ranks_wait_take_answers_and_go_on(tmp_path: Path) -> None:
    truth = write_digits(tmp_path / "digits")
    write_manifest(tmp_path / "digits", truth)
    words = ("strategy=margin", "oracle.n_test=41", "loop.n_rounds=1", "loop.epochs=2")
    part(config(tmp_path / "digits", *words, "dataset.manifest=labels.csv"), tmp_path, "simulated")
    cfg, run_dir = config(tmp_path / "digits", *words, "oracle=human"), tmp_path / "human"
    part(cfg, tmp_path, "human")
    assert status(run_dir) == "waiting"
    assert not list((tmp_path / "rank1").rglob("*.json*")), "rank 0 alone writes"
    while status(run_dir) != "finished":
        assert answer_all(run_dir, truth) > 0
        if len(Desk(run_dir).queries()) == 1:
            # Killed while the labels are taken: the other rank is told, and the next part takes them up.
            fault = Fault("autoal.data.pool:Pool.add", 1, "kill")
            died = lives.live_on_ranks({"human": cfg}, tmp_path, RANKS, resume=True, faults=[fault])
            assert died[-1] == -9
            assert died[0] != 0
        part(cfg, tmp_path, "human", resume=True)
    assert outcome(run_dir) == outcome(tmp_path / "simulated")


def test_a_skip_is_the_same_on_every_rank(tmp_path: Path) -> None:
    truth = write_digits(tmp_path / "digits")
    words = ("strategy=margin", "oracle.n_test=30", "loop.n_rounds=0", "loop.epochs=2", "oracle=human")
    cfg, run_dir = config(tmp_path / "digits", *words), tmp_path / "human"
    part(cfg, tmp_path, "human")
    (query,) = Desk(run_dir).queries()
    skipped = {query.items[0].id, query.items[40].id}
    answer_all(run_dir, truth, lambda a: {"action": "skip"} if a.id in skipped else {"label": truth[a.id]})
    assert answer_all(run_dir, truth) == 2
    part(cfg, tmp_path, "human", resume=True)
    assert status(run_dir) == "finished"
    bought = lines(run_dir / "ledger.jsonl")
    assert len(bought) == 56
    assert not skipped & {line["path"] for line in bought}
