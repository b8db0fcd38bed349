"""Reading results of other toolkits."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import pytest

from autoal.analysis.importing import write_runs
from autoal.analysis.readers import ReadOptions, read_results
from autoal.analysis.settings import collect
from autoal.commands import import_results as command
from autoal.errors import AutoALError
from tests.analysis.trees import write_run

DEEPAL_ACC = (0.4336, 0.4542, 0.7959, 0.7217, 0.6389, 0.9062, 0.9228, 0.9063, 0.7796, 0.9297, 0.932)


def deepal(folder: Path, strategy: str = "RandomSampling", quota: int = 1000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    head = (
        f"dataset: MNIST\nAL strategy: {strategy}\nnumber of labeled pool: 100\nnumber of unlabeled pool: 59900\n"
        f"number of testing pool: 10000\nbatch size: 100\nquota: {quota}\ntime of repeat experiments: 3\n"
    )
    lines = "".join(
        f"Size of training set is {100 + 100 * i}, accuracy is {acc}.\n" for i, acc in enumerate(DEEPAL_ACC)
    )
    file = folder / f"MNIST_{strategy}_100_100_{quota}_normal_res.txt"
    file.write_text(head + lines)
    tail = "0: 0.841\n1: 0.704\n2: 0.776\nmean acc: 0.7737. std dev acc: 0.056\nmean time: 95.6667.\n"
    (folder / f"MNIST_{strategy}_100_100_{quota}_normal_res_tot.txt").write_text(head + tail)
    return file


def alfamix(folder: Path, strategy: str, seed: int, acc: list[float], **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{strategy}_seed{seed}.csv"
    with file.open("w", newline="") as handle:
        csv.writer(handle, quoting=csv.QUOTE_ALL).writerows([[a, 1.5 * i] for i, a in enumerate(acc)])
    args = {
        "data_name": "CIFAR10",
        "n_init_lb": 100,
        "n_query": 50,
        "n_round": len(acc) - 1,
        "query_growth_ratio": 1,
    }
    sub = file.with_suffix("")
    sub.mkdir()
    (sub / "args.json").write_text(json.dumps(args | changes))
    (sub / "train_args.json").write_text(json.dumps({"model": "resnet18"}))
    return file


def plain(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_deepal(tmp_path: Path) -> None:
    deepal(tmp_path / "results")
    (run,) = read_results([tmp_path / "results"], ReadOptions(suffix=" (DeepAL+)"))
    assert (run.dataset, run.strategy, run.seed) == ("MNIST", "RandomSampling (DeepAL+)", 0)
    assert run.n_labeled[0] == 100
    assert run.n_labeled[-1] == 1100
    assert tuple(run.acc) == DEEPAL_ACC
    assert run.complete
    assert run.message == "mean of 3 repeats"


def test_deepal_says_when_its_own_area_is_wrong(tmp_path: Path) -> None:
    file = deepal(tmp_path)
    total = file.with_name(file.name.replace("_res.txt", "_res_tot.txt"))
    total.write_text(total.read_text().replace("mean acc: 0.7737", "mean acc: 0.6750"))
    (run,) = read_results([file], ReadOptions())
    assert "the toolkit printed AUBC 0.6750, the curve has 0.7738" in run.message


def test_alfamix_tree(tmp_path: Path) -> None:
    folder = tmp_path / "Overall" / "CIFAR10" / "resnet_low"
    for seed in (1, 10, 100):
        alfamix(folder, "RandomSampling", seed, [0.2, 0.3, 0.4])
        alfamix(folder, "AlphaMixSampling", seed, [0.2, 0.35, 0.45])
    out = tmp_path / "runs"
    runs = read_results([tmp_path / "Overall"], ReadOptions())
    write_runs(runs, out)
    (setting,), problems = collect([out])
    assert setting.label == "CIFAR10 / resnet18"
    assert setting.strategies == ["AlphaMixSampling", "RandomSampling"]
    assert [run.seed for run in setting.runs["RandomSampling"]] == [1, 10, 100]
    assert setting.grid.tolist() == [100, 150, 200]
    assert setting.runs["RandomSampling"][0].columns["seconds_select"].tolist() == [0.0, 1.5, 3.0]
    assert problems == []


def test_alfamix_growing_queries_and_names_with_ids(tmp_path: Path) -> None:
    file = alfamix(tmp_path / "d" / "s", "3_BadgeSampling_long", 5, [0.1, 0.2, 0.3, 0.4], query_growth_ratio=2)
    (run,) = read_results([file], ReadOptions())
    assert (run.strategy, run.seed) == ("BadgeSampling_long", 5)
    assert run.n_labeled == [100, 150, 250, 450]


def test_alfamix_that_ends_early_is_listed_as_unfinished(tmp_path: Path) -> None:
    alfamix(tmp_path / "in" / "s", "RandomSampling", 1, [0.2, 0.3], n_round=5)
    alfamix(tmp_path / "in" / "s", "RandomSampling", 2, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7], n_round=5)
    write_runs(read_results([tmp_path / "in"], ReadOptions()), tmp_path / "out")
    _, problems = collect([tmp_path / "out"])
    assert [p.kind for p in problems] == ["unfinished"]


def test_alfamix_without_arguments(tmp_path: Path) -> None:
    (tmp_path / "MNIST" / "mlp").mkdir(parents=True)
    file = plain(tmp_path / "MNIST" / "mlp" / "CoreSet_seed1.csv", '"0.5","0.0"\n"0.6","1.0"\n')
    with pytest.raises(AutoALError, match="pass --n-init and --n-query"):
        read_results([file], ReadOptions())
    (run,) = read_results([file], ReadOptions(n_init=20, n_query=10))
    assert run.dataset == "MNIST"
    assert run.n_labeled == [20, 30]


def test_alfamix_initial_set_per_class_needs_its_size(tmp_path: Path) -> None:
    file = alfamix(tmp_path / "s", "CoreSet", 1, [0.2, 0.3], init_lb_method="per_class_random")
    with pytest.raises(AutoALError, match="drawn per class"):
        read_results([file], ReadOptions())


def test_plain_csv(tmp_path: Path) -> None:
    text = (
        "strategy,seed,n_labeled,acc,dataset\nbadge,0,20,60,digits\nbadge,0,10,50,digits\nrandom,0,10,50,digits\n"
    )
    runs = read_results([plain(tmp_path / "a.csv", text)], ReadOptions(percent=True, backbone="mlp"))
    write_runs(runs, tmp_path / "runs")
    (setting,), _ = collect([tmp_path / "runs"])
    assert setting.label == "digits / mlp"
    assert setting.runs["badge"][0].acc.tolist() == [0.5, 0.6]


HEAD = "strategy,seed,n_labeled,acc\n"
BAD = {
    "no column": ("strategy,seed,acc\na,0,0.5\n", "lacks the column n_labeled"),
    "no number": (HEAD + "a,0,ten,0.5\n", "line 2: 'ten' is not a number"),
    "no integer": (HEAD + "a,0.5,10,0.5\n", "line 2: '0.5' is not a whole number"),
    "percent": (HEAD + "a,0,10,55.5\n", "accuracy 55.5 is not between 0 and 1; pass --percent"),
    "nan": (HEAD + "a,0,10,nan\n", "accuracy nan is not between 0 and 1"),
    "twice": (HEAD + "a,0,10,0.5\na,0,10,0.6\n", "line 3: a seed 0 has 10 labels twice"),
    "short line": (HEAD + "a,0,10\n", "line 2 does not have 4 fields"),
    "empty": (HEAD, "no results in"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_csv_is_one_clear_line(tmp_path: Path, name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(AutoALError) as caught:
        read_results([plain(tmp_path / "x.csv", text)], ReadOptions())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_bad_input(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match="does not exist"):
        read_results([tmp_path / "none"], ReadOptions())
    with pytest.raises(AutoALError, match="no results in"):
        read_results([tmp_path], ReadOptions())
    with pytest.raises(AutoALError, match="cannot tell the format"):
        read_results([plain(tmp_path / "notes.md", "hello")], ReadOptions())
    with pytest.raises(AutoALError, match="this is no DeepAL"):
        read_results([plain(tmp_path / "x_res.txt", "hello")], ReadOptions())
    (tmp_path / "x_res.txt").write_text("dataset: a\nAL strategy: b\n")
    with pytest.raises(AutoALError, match="holds no accuracy"):
        read_results([tmp_path / "x_res.txt"], ReadOptions())
    (tmp_path / "y.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(AutoALError, match="cannot read"):
        read_results([tmp_path / "y.csv"], ReadOptions())


def test_same_curve_twice_and_taken_directory(tmp_path: Path) -> None:
    one = plain(tmp_path / "one.csv", HEAD + "a,0,10,0.5\n")
    runs = read_results([one], ReadOptions(dataset="d", backbone="b"))
    with pytest.raises(AutoALError, match="both hold a seed 0"):
        write_runs(runs * 2, tmp_path / "out")
    (path,) = write_runs(runs, tmp_path / "out")
    # Importing again replaces what was imported, but never a run of one's own.
    assert write_runs(runs, tmp_path / "out") == [path]
    (path / "summary.json").write_text('{"status": "finished"}')
    with pytest.raises(AutoALError, match="was not imported"):
        write_runs(runs, tmp_path / "out")


def test_published_and_own_runs_in_one_report(tmp_path: Path) -> None:
    own = tmp_path / "own"
    for seed in range(2):
        write_run(own / f"{seed}", dataset="MNIST", backbone="resnet18", strategy="badge", seed=seed)
    deepal(tmp_path / "results")
    options = ReadOptions(backbone="resnet18", suffix=" (DeepAL+)")
    write_runs(read_results([tmp_path / "results"], options), tmp_path / "imported")
    with pytest.raises(AutoALError, match="2 recipes"):
        collect([own, tmp_path / "imported"])
    (setting,), problems = collect([own, tmp_path / "imported"], allow_mixed_recipes=True)
    assert setting.strategies == ["badge", "RandomSampling (DeepAL+)"]
    assert {p.kind for p in problems} == {"warning"}


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deepal(tmp_path / "results", quota=2000)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args([str(tmp_path / "results"), "--out", str(tmp_path / "runs")])
    assert command.run(args) == 0
    shown = capsys.readouterr().out
    assert "MNIST / DeepAL+ default: RandomSampling, 1 run" in shown
    assert "ends before its last round" in shown
    assert (tmp_path / "runs" / "MNIST").is_dir()
