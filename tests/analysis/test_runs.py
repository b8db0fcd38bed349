"""Reading run directories: what is refused, and in which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autoal.analysis.runs import DamagedRun, Problem, Run, find_runs, read_run
from autoal.errors import AutoALError
from tests.analysis.trees import write_run, write_tree


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def edit_summary(path: Path, **changes: object) -> None:
    file = path / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_reads_what_a_run_wrote(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", strategy="badge", seed=3, acc=[0.5, 0.6, 0.8])
    run = read_run(path)
    assert isinstance(run, Run)
    assert (run.dataset, run.backbone, run.strategy, run.seed) == ("digits", "mlp", "badge", 3)
    assert run.n_labeled.tolist() == [10, 20, 30]
    assert run.acc.tolist() == [0.5, 0.6, 0.8]
    assert run.final_acc == 0.8
    assert run.aubc == pytest.approx((0.55 + 0.7) / 2)
    assert run.columns["val_acc"].shape == (3,)
    assert "seconds_train" in run.columns


def test_finds_a_run_a_multirun_and_a_tree(tmp_path: Path) -> None:
    write_tree(tmp_path / "runs", strategies=("random",), seeds=range(2), rounds=2)
    (tmp_path / "multirun" / "0").mkdir(parents=True)
    (tmp_path / "multirun" / "multirun.yaml").write_text("a: 1\n")
    single = write_run(tmp_path / "multirun" / "0" / "job")
    assert find_runs([single]) == [single]
    assert len(find_runs([tmp_path / "runs"])) == 2
    assert len(find_runs([tmp_path, single, tmp_path / "multirun"])) == 3


def test_a_job_that_died_at_once_is_found(tmp_path: Path) -> None:
    (tmp_path / "dead" / ".hydra").mkdir(parents=True)
    (tmp_path / "dead" / ".hydra" / "config.yaml").write_text("seed: 0\n")
    assert find_runs([tmp_path]) == [tmp_path / "dead"]
    with pytest.raises(DamagedRun, match="died before its first round"):
        read_run(tmp_path / "dead")


def test_a_root_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match="does not exist"):
        find_runs([tmp_path / "nowhere"])
    (tmp_path / "file").write_text("")
    with pytest.raises(AutoALError, match="is not a directory"):
        find_runs([tmp_path / "file"])


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_unfinished_run(tmp_path: Path, status: str) -> None:
    problem = read_run(write_run(tmp_path / "run", status=status))
    assert isinstance(problem, Problem)
    assert problem.kind == "unfinished"
    assert "3 rounds so far" in problem.message
    assert "\n" not in str(problem)


def test_failed_run_gives_its_reason_even_without_a_recipe(tmp_path: Path) -> None:
    path = write_run(
        tmp_path / "run", status="failed", summary={"message": "out of memory\nTraceback", "recipe": None}
    )
    problem = read_run(path)
    assert isinstance(problem, Problem)
    assert (problem.kind, problem.message) == ("failed", "out of memory")


def test_extra_text_column_is_no_damage(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    lines = (path / "rounds.csv").read_text().splitlines()
    lines = [f"{line},{'chosen' if i == 0 else 'badge'}" for i, line in enumerate(lines)]
    (path / "rounds.csv").write_text("\n".join(lines) + "\n")
    run = read_run(path)
    assert isinstance(run, Run)
    assert "chosen" not in run.columns


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated summary": (lambda p: (p / "summary.json").write_text('{"status": "fini'), "not valid JSON"),
    "summary is a list": (lambda p: (p / "summary.json").write_text("[]"), "not a JSON object"),
    "summary without recipe": (lambda p: edit_summary(p, recipe=""), "lacks recipe"),
    "seed is a word": (lambda p: edit_summary(p, seed="three"), "seed is 'three'"),
    "no rounds.csv": (lambda p: (p / "rounds.csv").unlink(), "no rounds.csv although"),
    "empty rounds.csv": (lambda p: (p / "rounds.csv").write_text("round,n_labeled,test_acc\n"), "holds no round"),
    "binary rounds.csv": (lambda p: (p / "rounds.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
    "torn last line": (
        lambda p: (p / "rounds.csv").write_text((p / "rounds.csv").read_text()[:-30]),
        "fields instead of 12: half-written",
    ),
    "missing column": (lambda p: edit(p / "rounds.csv", "test_acc", "accuracy"), "lacks the column test_acc"),
    "word for a number": (lambda p: edit(p / "rounds.csv", "0.600000", "sixty"), "test_acc is 'sixty'"),
    "empty accuracy": (lambda p: edit(p / "rounds.csv", "0.600000", ""), "test_acc is nan"),
    "percentages": (lambda p: edit(p / "rounds.csv", "0.600000", "60.0"), "test_acc is 60"),
    "edited last accuracy": (
        lambda p: edit(p / "rounds.csv", "0.700000", "0.750000"),
        "final_acc 0.75, summary.json says 0.7: one was edited",
    ),
    "edited middle accuracy": (
        lambda p: edit(p / "rounds.csv", "0.600000", "0.650000"),
        "aubc 0.625, summary.json says 0.6: one was edited",
    ),
    "removed row": (
        lambda p: (p / "rounds.csv").write_text(
            "".join((p / "rounds.csv").read_text().splitlines(keepends=True)[i] for i in (0, 1, 3))
        ),
        "not consecutive",
    ),
    "repeated size": (lambda p: edit(p / "rounds.csv", "1,20,", "1,10,"), "n_labeled does not increase"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_clear_line(tmp_path: Path, name: str) -> None:
    damage, message = DAMAGE[name]
    path = write_run(tmp_path / "run", acc=[0.5, 0.6, 0.7])
    damage(path)
    with pytest.raises(DamagedRun) as caught:
        read_run(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
