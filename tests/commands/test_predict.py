"""``autoal predict``: the run's own accuracy comes back from its predictions; other samples, clear refusals."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import autoal
from autoal.commands.main import main
from autoal.data.digits import Digits


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = autoal.experiment(
        dataset="digits",
        strategy="margin",
        loop={"n_init": 30, "n_query": 10, "n_rounds": 1, "epochs": 5},
        trainer="cpu",
        run_dir=tmp_path_factory.mktemp("run") / "a",
    )
    return made, made.run()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_predictions_give_the_final_accuracy(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, summary = run
    truth = Digits().load(tmp_path)["test"].targets.tolist()
    for data in ("test", "digits"):
        out = tmp_path / "new folder" / f"{data}.csv"
        assert main(["predict", str(made.run_dir), data, "--out", str(out)]) == 0
        table = rows(out)
        right = sum(int(row["class"]) == y for row, y in zip(table, truth, strict=True))
        assert right / len(truth) == pytest.approx(summary["final_acc"], abs=1e-9)
        assert all(abs(sum(float(v) for k, v in row.items() if k.startswith("p_")) - 1) < 1e-4 for row in table)
        assert all(float(row[f"p_{row['class_name']}"]) > 0.05 for row in table)
    assert "597 predictions" in capsys.readouterr().out


def test_a_folder_of_images_is_read_as_the_run_reads(run: Any, tmp_path: Path) -> None:
    made, _ = run
    split = Digits().load(tmp_path)["test"]
    folder = tmp_path / "images"
    for i in range(6):
        (folder / str(i % 2)).mkdir(parents=True, exist_ok=True)
        pixels = split.source.fetch(split.targets.new_tensor([i]))[0, 0].numpy()
        Image.fromarray(pixels).save(folder / str(i % 2) / f"{i}.png")
    assert main(["predict", str(made.run_dir), str(folder), "--out", str(tmp_path / "a.csv")]) == 0
    assert main(["predict", str(made.run_dir), "test", "--out", str(tmp_path / "b.csv")]) == 0
    whole = rows(tmp_path / "b.csv")
    for row in rows(tmp_path / "a.csv"):
        assert row["class"] == whole[int(Path(row["sample"]).stem)]["class"]


def test_what_does_not_fit_is_said_in_one_line(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = run
    np.save(tmp_path / "x.npy", np.zeros((3, 5), np.float32))
    np.savez(tmp_path / "x.npz", other=np.zeros((3, 5), np.float32))
    (tmp_path / "empty").mkdir()
    for words, message in (
        ([str(made.run_dir), str(tmp_path / "x.npy")], "has samples of shape (5,)"),
        ([str(made.run_dir), str(tmp_path / "x.npz")], "no array 'features'"),
        ([str(made.run_dir), str(tmp_path / "empty")], "holds no images"),
        ([str(made.run_dir), "val"], "no part 'val'"),
        ([str(made.run_dir), "nosuch"], "no folder of images"),
        ([str(tmp_path), "test"], "holds no run"),
    ):
        assert main(["predict", *words, "--out", str(tmp_path / "no.csv")]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "no.csv").exists()
