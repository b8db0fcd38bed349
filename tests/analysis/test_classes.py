"""Classes, cost to people, pictures and stopping in a report: against other definitions, and with bad files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.functional.classification import multiclass_f1_score

from autoal.analysis.classes import macro_f1
from autoal.analysis.effort import Sway, sway_of
from autoal.analysis.report import Options, make_report
from autoal.analysis.thumbnails import thumbnail
from autoal.rundir.names import PREDICTIONS
from autoal.rundir.predictions import Predictions
from tests.analysis.trees import write_run


def write_predictions(run_dir: Path, right: list[float], n: int = 200, seed: int = 0) -> Predictions:
    """Predictions of three classes, right for a share of the samples in each round."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    found = Predictions.none()
    for i, share in enumerate(right):
        wrong = np.arange(n) >= round(share * n)
        found = found.with_round(i, np.where(wrong, (targets + 1) % 3, targets), targets, 0.5 + share / 2)
    found.write(run_dir)
    return found


def data_of(page: Path) -> Any:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert match
    return json.loads(match[1])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_macro_f1_is_that_of_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    targets, predicted = rng.integers(0, 4, 300), rng.integers(0, 5, 300)
    confusion = np.bincount(targets * 6 + predicted, minlength=36).reshape(6, 6)
    peer = multiclass_f1_score(torch.tensor(predicted), torch.tensor(targets), 6, average="macro")
    assert macro_f1(confusion) == pytest.approx(float(peer))


def test_a_report_says_what_runs_measured_of_classes(tmp_path: Path) -> None:
    acc = [0.5, 0.6, 0.7, 0.8, 0.9]
    for seed in (0, 1):
        for strategy in ("random", "margin"):
            run_dir = write_run(
                tmp_path / "runs" / strategy / str(seed), strategy=strategy, seed=seed, acc=acc, classes=3
            )
            kept = write_predictions(run_dir, acc, seed=seed)
    (tmp_path / "runs" / "random" / "1" / PREDICTIONS).write_bytes(b"torn")
    report = make_report([tmp_path / "runs"], tmp_path / "out", Options(figures=False, resamples=100))
    rows = {row["strategy"]: row for row in rows_of(tmp_path / "out" / "classes.csv")}
    assert [rows[name]["runs"] for name in ("random", "margin")] == ["1", "2"]
    assert float(rows["margin"]["auroc"]) == pytest.approx(0.95)
    assert float(rows["margin"]["macro_f1"]) == pytest.approx(macro_f1(kept.confusion(-1, 3)), abs=0.02)
    assert any("predictions.npz is damaged" in str(problem) for problem in report.problems)
    stopping = {row["strategy"]: row for row in rows_of(tmp_path / "out" / "stopping.csv")}
    assert float(stopping["margin"]["gain"]) == pytest.approx(0.3)
    assert stopping["margin"]["advice"] == "go on"
    sections = {s["id"]: s for s in data_of(report.page)["settings"][0]["sections"]}
    assert {"classes", "stopping"} <= set(sections)
    assert not {"people", "bought"} & set(sections), "nobody was asked, and there are no files"
    reach = next(item for item in sections["results"]["items"] if item["type"] == "reach")
    assert reach["curves"][0]["sizes"] == [10, 20, 30, 40, 50]


def test_many_classes_are_a_table(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "runs" / "a", acc=[0.5, 0.6])
    targets = np.arange(100)
    Predictions.none().with_round(1, np.roll(targets, 1), targets, 0.5).write(run_dir)
    report = make_report([tmp_path / "runs"], tmp_path / "out", Options(figures=False, resamples=100))
    sections = {s["id"]: s for s in data_of(report.page)["settings"][0]["sections"]}
    choice = next(item for item in sections["classes"]["items"] if item["type"] == "choice")
    assert [item["type"] for item in choice["options"][0]["items"]] == ["note", "table"]
    assert rows_of(tmp_path / "out" / "stopping.csv")[0]["advice"] == "too early to say"


def test_suggestions_that_were_seen_are_told_from_those_that_were_not() -> None:
    def say(item: str, label: str, shown: str | None, who: str = "ann") -> dict[str, Any]:
        return {"id": item, "annotator": who, "action": "label", "label": label, "shown": shown}

    answers = [
        say("a", "x", "x"), say("a", "y", "x"),  # the last word counts
        say("b", "x", "x"), say("c", "x", None), say("c", "y", None, "bob"), say("d", "x", None),
        {"id": "b", "annotator": "bob", "action": "skip", "label": None, "shown": "x"},
    ]  # fmt: skip
    assert sway_of(answers, {"a": "x", "b": "x", "c": "x"}) == Sway(2, 1, 2, 1)


def test_pictures_and_people_are_shown_where_they_are(tmp_path: Path) -> None:
    columns = {
        f"people_{name}": values
        for name, values in (("answers", [12, 6]), ("skips", [2, 1]), ("relabels", [0, 1]), ("seconds", [60, 12]))
    }
    run_dir = write_run(tmp_path / "runs" / "a", acc=[0.5, 0.6], sizes=[2, 4], extra=columns, ledger=False)
    folder = tmp_path / "birds"
    folder.mkdir()
    lines = []
    for i in range(4):
        Image.new("RGB", (300, 200), (40 * i, 0, 0)).save(folder / f"{i}.png")
        source = "init" if i < 2 else "query"
        lines.append({"round": i // 2, "id": i, "label": 0, "source": source, "class": "duck", "path": f"{i}.png"})
    (folder / "3.png").unlink()
    (run_dir / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = run_dir / ".hydra" / "config.yaml"
    text = config.read_text().replace("dataset:\n", f"dataset:\n  path: {folder}\n")
    config.write_text(f"{text}paths:\n  data_dir: {tmp_path}\n")
    report = make_report([tmp_path / "runs"], tmp_path / "out", Options(figures=False, resamples=100))
    sections = {s["id"]: s for s in data_of(report.page)["settings"][0]["sections"]}
    rounds = sections["bought"]["items"][0]["options"][0]["items"]
    shown = [(r["label"], len(r["pictures"])) for r in rounds]
    assert shown == [("Round 0: 2 labels", 2), ("Round 1: 2 labels", 1)]
    assert rounds[0]["pictures"][0]["title"] == "duck: 0.png"
    people = rows_of(tmp_path / "out" / "people.csv")
    cells = [(row["answers"], row["skips"], row["seconds_each"]) for row in people]
    assert cells == [("12", "2", "5"), ("6", "1", "2")]


def test_no_picture_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "secret.png")
    Image.new("RGB", (200, 100)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    address = thumbnail(tmp_path / "in", "a.png")
    assert address is not None
    assert address.startswith("data:image/jpeg;base64,")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "b.png", "c.png"):
        assert thumbnail(tmp_path / "in", name) is None
