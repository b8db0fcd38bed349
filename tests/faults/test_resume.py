"""``resume=``: the run's own config, and which overrides may change it; sweeps that are started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoal.commands.main import main
from autoal.commands.status import states
from autoal.errors import AutoALError
from autoal.rundir.directory import RunDir
from autoal.rundir.locks import take_lock
from autoal.rundir.resume import resumed, same_cell
from tests.faults import lives


def _stopped_run(path: Path, status: str = "interrupted", *overrides: str) -> Path:
    run = RunDir(path)
    run.write_config(lives.config("strategy=margin", *overrides), ["strategy=margin", *overrides])
    run.write_summary({"status": status, "final_acc": 0.5, "message": ""})
    (path / "ledger.jsonl").touch()
    return path


def _resume(path: Path, *overrides: str) -> dict[str, Any]:
    return resumed(path, lives.config(*overrides), [f"resume={path}", *overrides]).config


def test_the_runs_own_config_counts(tmp_path: Path) -> None:
    path = _stopped_run(tmp_path / "run", "interrupted", "seed=3", "loop.n_rounds=9")
    config = _resume(path)
    assert (config["seed"], config["strategy"]["name"], config["loop"]["n_rounds"]) == (3, "margin", 9)


def test_trainer_paths_and_loggers_may_change(tmp_path: Path) -> None:
    path = _stopped_run(tmp_path / "run")
    overrides = ("trainer=ddp_cpu", "trainer.devices=3", "paths.data_dir=/elsewhere", "loop.checkpoint_every=5")
    config = _resume(path, *overrides)
    assert (config["trainer"]["strategy"], config["trainer"]["devices"]) == ("ddp", 3)
    assert config["paths"]["data_dir"] == "/elsewhere"
    assert config["loop"]["checkpoint_every"] == 5
    assert _resume(path, "trainer.devices=2")["trainer"]["accelerator"] == "cpu"
    assert _resume(path, "strategy=margin", "seed=0") == _resume(path), "what changes nothing is no error"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("strategy=random", r"strategy=.* can't be given with resume: .* was started with"),
        ("seed=4", r"seed=4 can't be given with resume: .* was started with seed=0"),
        ("loop.n_query=11", r"loop\.n_query=11 can't be given with resume: .* was started with loop\.n_query=10"),
        ("optimizer=sgd", r"optimizer=.* can't be given with resume"),
        (
            "trainer.precision=64-true",
            r"trainer\.precision=64-true would change the recipe .*add trainer\.precision=32",
        ),
    ],
)
def test_what_would_change_the_curve_is_refused(override: str, message: str, tmp_path: Path) -> None:
    path = _stopped_run(tmp_path / "run")
    with pytest.raises(AutoALError, match=message):
        _resume(path, override)


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match=r"holds no run \(no \.hydra/config\.yaml\)"):
        _resume(tmp_path)


def test_cells_of_a_sweep_start_continue_or_are_done(tmp_path: Path) -> None:
    config = lives.config("strategy=margin")
    assert not same_cell(tmp_path / "new", config).resume
    stopped = same_cell(_stopped_run(tmp_path / "stopped"), config)
    assert stopped.resume
    assert stopped.summary is None
    failed = same_cell(_stopped_run(tmp_path / "failed", "failed"), config)
    assert failed.resume
    assert failed.summary is None
    never = _stopped_run(tmp_path / "never", "failed")
    (never / "ledger.jsonl").unlink()
    assert not same_cell(never, {**config, "seed": 9}).resume, "nothing was bought: any run may start there"
    done = same_cell(_stopped_run(tmp_path / "done", "finished"), config)
    assert done.summary is not None
    assert done.summary["final_acc"] == 0.5
    with pytest.raises(AutoALError, match="holds a run with another seed"):
        same_cell(tmp_path / "done", {**config, "seed": 9})
    with pytest.raises(AutoALError, match=r"loop\.epochs=5 would change the recipe"):
        same_cell(tmp_path / "done", {**config, "loop": {**config["loop"], "epochs": 5}})


def test_status_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, status in enumerate(("finished", "failed", "running", "running")):
        path = _stopped_run(tmp_path / f"seed={seed}", status)
        (path / ".hydra" / "overrides.yaml").write_text(f"[strategy=margin, seed={seed}]")
        (path / "ledger.jsonl").write_text("{}\n" * 31)
        (path / "rounds.csv").write_text("round,test_acc\n0,0.25\n1,0.75\n")
    (tmp_path / "multirun.yaml").write_text('hydra: {overrides: {task: [strategy=margin, "seed=range(0,6)"]}}')
    lock = take_lock(tmp_path / "seed=2" / ".lock")
    assert lock is not None
    assert [cell.state for cell in states(tmp_path)] == [
        "finished", "failed", "running", "stopped", "missing", "missing",
    ]  # fmt: skip
    assert main(["status", str(tmp_path)]) == 2
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["finished", "31", "labels", "75.00%", "seed=0"]
    assert out[-2].endswith("strategy=margin seed=5")
    assert out[-1] == "1 finished, 1 running, 1 stopped, 1 failed, 2 missing"
    lock.release()
    assert states(tmp_path)[2].state == "stopped", "its process is gone"
    assert main(["status", str(tmp_path / "nowhere")]) == 1


@pytest.fixture
def sweep_of(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start sweeps in a local pool; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "train.py", "-m", "hydra/launcher=local_pool", "hydra.launcher.processes=2"]
        command += [f"hydra.sweep.dir={tmp_path / 'sweep'}", *lives.TINY, "strategy=random,margin", *more]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=lives.ROOT, text=True, stdout=pipe, stderr=subprocess.STDOUT))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_a_sweep_in_a_local_pool_stops_and_goes_on(
    tmp_path: Path, sweep_of: Callable[..., subprocess.Popen[str]]
) -> None:
    sweep = tmp_path / "sweep"
    long = ("loop.n_rounds=30", "loop.n_query=5")
    first = sweep_of(*long)
    lives.wait_for(lambda: len(list(sweep.rglob("last.ckpt"))) == 2, limit=120)
    assert {cell.state for cell in states(sweep)} <= {"running", "finished"}
    first.send_signal(signal.SIGTERM)
    text, _ = first.communicate(timeout=60)
    assert first.returncode == 143, text
    assert "finished" not in [cell.state for cell in states(sweep)], "the test's runs are too short"
    again = sweep_of(*long)
    text, _ = again.communicate(timeout=180)
    assert again.returncode == 0, text
    assert {cell.state for cell in states(sweep)} == {"finished"}
    for run in (path.parent for path in sweep.rglob("summary.json")):
        strategy = json.loads((run / "summary.json").read_text())["strategy"]
        calm = tmp_path / strategy
        # A pool of processes gives each one thread, whatever this process has.
        threads = lives.threads_of(run)
        assert lives.live(lives.config(f"strategy={strategy}", *long), calm, threads=threads) == 0
        assert lives.outcome(run) == lives.outcome(calm)
    text, _ = sweep_of(*long).communicate(timeout=60)
    assert "0 runs, 2 at a time, 2 finished already" in text
