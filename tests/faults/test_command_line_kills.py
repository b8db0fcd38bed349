"""kill -9 at random moments of the real command line, resumed by what was printed or what a shell completes.

``AUTOAL_KILLS=100 pytest tests/faults/test_command_line_kills.py -s`` kills a hundred times, of twelve strategies;
``AUTOAL_KILLS_SEED=1`` at other moments, and beginning with another strategy.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults import lives
from tests.faults.shell import PRINTED, Shell, completed

KILLS = int(os.environ.get("AUTOAL_KILLS", "6"))

SEED = int(os.environ.get("AUTOAL_KILLS_SEED", "0"))

KILLS_PER_RUN = 5

STRATEGIES = (
    *("margin", "badge", "kcenter", "autoal", "entropy_mc", "loss_prediction", "albl", "ceal", "kmeans"),
    *("random", "tailor", "least_confidence", "autoal_search"),
)

SETTINGS = (*lives.TINY, "loop.n_rounds=6", "loop.epochs=6", "loop.checkpoint_every=1", "loop.n_val=7")


def everything(run_dir: Path) -> dict[str, Any]:
    """Ledger, rounds and summary without times, and the final weights."""
    saved = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    return {**lives.outcome(run_dir), "weights": plain(saved["state_dict"])}


def plain(value: Any) -> Any:
    """Return the tensors of a nested state as lists, which ``==`` compares."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


@pytest.mark.slow
def test_killed_command_lines_end_like_undisturbed_ones(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    calm: dict[str, tuple[dict[str, Any], float]] = {}
    kills = printed = runs = 0
    ways = itertools.cycle((True, False))
    while kills < KILLS:
        strategy = STRATEGIES[(5 * SEED + runs) % len(STRATEGIES)]
        shell = Shell(tmp_path / f"run{runs}")
        start = f"python train.py strategy={strategy} {' '.join(SETTINGS)}"
        if strategy not in calm:
            calm[strategy] = undisturbed(Shell(tmp_path / strategy), start)
        outcome, seconds = calm[strategy]
        done, by_print = killed(shell, start, seconds, rng, use_printed=ways)
        run_dir, taken = done
        assert everything(run_dir) == outcome, f"{run_dir} after {taken} kills of {strategy}"
        kills, printed, runs = kills + taken, printed + by_print, runs + 1
        print(f"{kills} kills, {printed} resumed as printed, {runs} runs equal, {strategy}", flush=True)


def undisturbed(shell: Shell, start: str) -> tuple[dict[str, Any], float]:
    """Run an experiment to its end; returns its outcome and the seconds after its start."""
    life = shell.run(start)
    assert life.wait_for_start(), life.text
    began = time.monotonic()
    assert life.process.wait(600) == 0, life.text
    seconds = time.monotonic() - began
    return everything(life.run_dir), seconds


def killed(
    shell: Shell, start: str, seconds: float, rng: random.Random, use_printed: Iterator[bool]
) -> tuple[tuple[Path, int], int]:
    """Kill an experiment a few times and let it end.

    Returns:
        Its directory and the number of kills; and how many resumes used the printed command.
    """
    command, run_dir, kills, by_print = start, None, 0, 0
    while True:
        life = shell.run(command)
        last = kills >= KILLS_PER_RUN
        if last:
            assert life.process.wait(600) == 0, life.text
        elif rng.random() < 0.95:
            if life.wait_for_start():
                time.sleep(rng.uniform(0, 0.3 * seconds))
        else:
            time.sleep(rng.uniform(0, 4))  # while it imports, as a rule
        if not last and life.kill():
            kills += 1
        else:
            assert life.process.returncode == 0, life.text
            last = True
        if PRINTED.search(life.text):
            run_dir = life.run_dir
            as_printed = next(use_printed)
            raw = f"python train.py resume={completed(run_dir)}"
            command = PRINTED.findall(life.text)[0] if as_printed else raw
            by_print += as_printed and not last
        if last:
            assert run_dir is not None
            return (run_dir, kills), by_print
