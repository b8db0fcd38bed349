"""``autoal data``: finds, verifies and describes; errors are one line and exit status 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoal.commands.data import MOST_CLASSES, class_table
from autoal.commands.main import main
from tests.data.formats import WRITERS


def test_describes_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS["waterbirds"](tmp_path)
    assert main(["data", "waterbirds", "size=16", "verify=false", "--root", str(tmp_path), "--check"]) == 0
    out = capsys.readouterr().out
    assert f"waterbirds: in {tmp_path}/waterbird_complete95_forest2water2" in out
    assert "8 train, 4 val, 4 test; 2 classes; samples 3x16x16" in out
    assert "Sagawa" in out


def test_a_dataset_of_a_dependency_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "digits"]) == 0
    assert "nothing to fetch" in capsys.readouterr().out


def test_counts_what_a_run_can_buy_and_every_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    rows = ["path,label,split"]
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        label = ["heron", "duck", "duck", ""][i % 4]
        rows.append(f"{i}.png,{label},{'test' if i < 3 else 'train'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    assert main(["data", "image_folder", f"path={tmp_path}", "manifest=labels.csv", "--root", str(tmp_path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["training", "samples:", "6", "labelled,", "3", "unlabelled;", "6", "can", "be", "bought"] in lines
    assert ["class", "train", "test"] in lines
    assert ["duck", "4", "2"] in lines
    assert ["heron", "2", "1"] in lines


def test_of_many_classes_the_largest_and_the_smallest_are_shown() -> None:
    names = [f"class number {i} with quite a long name, longer than the table" for i in range(200)]
    counts = {"train": list(range(200)), "test": [7] * 200}
    few, every = class_table(names, counts, every=False), class_table(names, counts, every=True)
    assert len(few) == MOST_CLASSES + 2
    assert few[1].split()[-2:] == ["199", "7"]
    assert few[-1].split()[-2:] == ["0", "7"]
    assert any("180 classes" in line for line in few)
    assert [line.split()[-2] for line in every[1:]] == [str(n) for n in range(200)]
    assert max(map(len, few + every)) <= 78


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mnits"], "unknown dataset 'mnits'. Did you mean 'mnist'?"),
        (["mnist", "--check"], "autoal data mnist --root"),
        (["mnist", "size=3"], "size"),
        (["image_folder"], "dataset.path needs a value"),
    ],
)
def test_errors_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *words, "--root", str(tmp_path)]) == 1
    err = capsys.readouterr().err.strip()
    assert err.startswith("error: ")
    assert message in err
    assert "\n" not in err
