"""A resumed run takes the number of threads that it was started with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

from autoal.rundir.checkpoints import find_checkpoint
from tests.faults import lives
from tests.faults.lives import Fault
from tests.faults.shell import Shell

SETTINGS = " ".join((*lives.TINY, "loop.n_rounds=3", "strategy=badge", "paths.run_dir=run"))


@pytest.mark.slow
def test_threads_are_recorded_and_taken_up(tmp_path: Path) -> None:
    outcomes = []
    for name, kill in (("whole", False), ("broken", True)):
        shell = Shell(tmp_path / name)
        life = shell.run(f"python train.py {SETTINGS}", {"OMP_NUM_THREADS": "2"})
        run_dir = shell.folder / "run"
        if kill:
            lives.wait_for(lambda d=run_dir: (d / "checkpoints" / "last.ckpt").exists(), limit=120)  # type: ignore[misc]
            life.kill()
            found = find_checkpoint(run_dir / "checkpoints" / "last.ckpt")
            assert found is not None
            assert found.stamp["machine"]["threads"] == 2
            assert found.stamp["machine"]["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
            life = shell.run("python train.py resume=run", {"OMP_NUM_THREADS": "1"})
        assert life.process.wait(300) == 0, life.text
        summary = json.loads((run_dir / "summary.json").read_text())
        assert (summary["threads"], summary["cpu_capability"]) == (2, torch.backends.cpu.get_cpu_capability())
        assert "may differ in its last bits" not in life.text
        outcomes.append(lives.outcome(run_dir))
    assert outcomes[0] == outcomes[1]


def test_another_machine_is_said_in_one_line(tmp_path: Path) -> None:
    """The number of threads is taken up, which another processor can't be."""
    cfg, run_dir = lives.config("strategy=margin"), tmp_path / "run"
    kill = Fault("autoal.training.lit:LitClassifier.training_step", 30, "kill")
    assert lives.live(cfg, run_dir, faults=[kill]) == -signal.SIGKILL
    summary = json.loads((run_dir / "summary.json").read_text())
    threads = summary["threads"] + 1
    (run_dir / "summary.json").write_text(json.dumps(summary | {"threads": threads}))
    for path in (run_dir / "checkpoints").iterdir():
        content = torch.load(path, weights_only=True)
        content["autoal"]["machine"] |= {"cpu_capability": "SSE9", "threads": threads}
        torch.save(content, path)
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert json.loads((run_dir / "summary.json").read_text())["threads"] == threads
    now = torch.backends.cpu.get_cpu_capability()
    line = f"may differ in its last bits from an undisturbed one: cpu_capability {now} instead of SSE9\n"
    assert lives.log_of(run_dir).count(line) == 1
