"""Data that can't be right at the real command line: one line, non-zero exit, no directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.config.test_command_line import run_in_process
from tests.data.formats import write_medmnist
from tests.data.test_refusals import encrypt, features


def arrays(**changes: np.ndarray) -> Callable[[Path], list[str]]:
    """Return what writes features with changes, and says the overrides that train on them."""

    def write(folder: Path) -> list[str]:
        features(folder, **changes)
        return ["dataset=features", "dataset.path=x.npz"]

    return write


def nothing(part: str) -> dict[str, np.ndarray]:
    return {f"{part}_features": np.zeros((0, 6)), f"{part}_labels": np.zeros(0, int)}


def encrypted(folder: Path) -> list[str]:
    words = arrays()(folder)
    encrypt(folder / "x.npz")
    return words


def medmnist(*words: str, short: bool = False) -> Callable[[Path], list[str]]:
    def write(folder: Path) -> list[str]:
        write_medmnist("breastmnist", 2, 1)(folder)
        if short:
            path = folder / "medmnist" / "breastmnist.npz"
            with np.load(path) as content:
                np.savez(path, **{**content, "train_labels": content["train_labels"][:5]})
        return ["dataset=breastmnist", *words]

    return write


BAD: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "wide test": (arrays(test_features=np.zeros((15, 7), np.float32)), "test samples (7,)"),
    "label 10^12": (arrays(train_labels=np.array([10**12, *range(29)])), "train label 1000000000000 in row 0"),
    "no train": (arrays(**nothing("train")), "has no train samples"),
    "no val": (arrays(**nothing("val")), "has no val samples"),
    "no test": (arrays(**nothing("test")), "has no test samples"),
    "encrypted": (encrypted, "encrypted"),
    "long path": (lambda folder: ["dataset=features", f"dataset.path={'a' * 5000}"], "characters)"),
    "few labels": (medmnist("dataset.verify=false", short=True), "5 train labels for 8 train images"),
    "another size": (medmnist("dataset.size=224"), "autoal data breastmnist size=224"),
    "not published": (medmnist(), "not the published file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_is_one_line(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write, said = BAD[name]
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    words = [*write(tmp_path / "data"), f"paths.data_dir={tmp_path / 'data'}", "strategy=random"]
    assert run_in_process(root, monkeypatch, *words) == 1
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.strip().splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert len(line) < 1000
    assert list((tmp_path / "here").iterdir()) == [], "no run directory is left"
