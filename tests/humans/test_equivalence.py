"""Whoever answers, the run is the same: a scripted person gives ledger, rounds and weights of the simulation."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoal.commands.main import main
from autoal.humans.labelstudio.client import LabelStudio
from tests.humans.people import (
    answer_all,
    config,
    outcome,
    run,
    run_with_person,
    write_digits,
    write_manifest,
)

Answer = Callable[[Path, dict[str, str]], Any]


def simulation(folder: Path, strategy: str, truth: dict[str, str], *more: str) -> dict[str, Any]:
    """Return what the run with the simulated oracle comes to."""
    write_manifest(folder / "digits", truth)
    words = [f"strategy={strategy}", "oracle.n_test=40", "dataset.manifest=labels.csv", *more]
    assert run(config(folder / "digits", *words), folder / "simulated")["status"] == "finished"
    return outcome(folder / "simulated")


def with_person(folder: Path, strategy: str, truth: dict[str, str], answer: Answer, *more: str) -> dict[str, Any]:
    """Return what the run comes to that asks somebody who answers in one way."""
    cfg = config(folder / "digits", f"strategy={strategy}", "oracle=human", "oracle.n_test=40", *more)
    said = run_with_person(cfg, folder / "human", lambda: answer(folder / "human", truth))
    assert said["status"] == "finished"
    return outcome(folder / "human")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("badge", "ceal", "albl")]


@pytest.mark.parametrize("strategy", ["margin", *SLOW])
def test_a_scripted_person_is_the_simulated_oracle(tmp_path: Path, strategy: str) -> None:
    truth = write_digits(tmp_path / "digits")
    assert with_person(tmp_path, strategy, truth, answer_all) == simulation(tmp_path, strategy, truth)


@pytest.mark.slow
def test_the_unlabelled_pool_trains_the_same_when_people_answer(tmp_path: Path) -> None:
    truth = write_digits(tmp_path / "digits")
    semi = ("training=flexmatch", "training.ratio=2", "training.threshold=0.3", "loop.stop_train_acc=null")
    words = (*semi, "loop.steps_per_epoch=3")
    assert with_person(tmp_path, "margin", truth, answer_all, *words) == simulation(
        tmp_path, "margin", truth, *words
    )


def by_sheet(run_dir: Path, truth: dict[str, str]) -> None:
    """Fill in the sheet that the run writes, from its last row to its first, and give it back."""
    path = run_dir / "sheet.csv"
    assert main(["query", str(run_dir), "--to", "csv", "--out", str(path)]) == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "label": truth[row["id"]]} for row in rows[::-1])
    assert main(["ingest", str(run_dir), str(path)]) == 0


def by_page(run_dir: Path, truth: dict[str, str]) -> None:
    """Answer by the calls that the page makes: with a slip that is taken back, and a message that comes twice."""
    from starlette.testclient import TestClient

    from autoal.humans.board import Board
    from autoal.humans.place import Place
    from autoal.humans.server import make_app

    app = make_app(Board(Place.of(run_dir)), "token", "ann", ("testserver",))
    client = TestClient(app, headers={"x-autoal-token": "token"})
    state = client.get("/api/query").json()
    for number, item in enumerate(state["items"]):
        right = truth[item["id"]]
        said = {"key": item["key"], "action": "label", "label": right, "seconds": 1.5, "external": item["key"]}
        if number % 7 == 0:
            wrong = next(name for name in state["classes"] if name != right)
            assert (
                client.post(
                    "/api/answer", json={**said, "label": wrong, "external": f"slip {item['key']}"}
                ).status_code
                == 200
            )
            assert client.post("/api/answer", json={"key": item["key"], "action": "retract"}).status_code == 200
        for _ in range(2 if number % 5 == 0 else 1):
            assert client.post("/api/answer", json=said).status_code == 200
    assert client.get("/api/query").json()["complete"]


@pytest.mark.slow
@pytest.mark.parametrize("answer", [by_sheet, by_page])
def test_the_page_and_sheets_give_the_simulated_oracle_too(tmp_path: Path, answer: Answer) -> None:
    pytest.importorskip("starlette")
    truth = write_digits(tmp_path / "digits")
    assert with_person(tmp_path, "badge", truth, answer) == simulation(tmp_path, "badge", truth)


@pytest.mark.slow
@pytest.mark.labelstudio
def test_label_studio_gives_the_simulated_oracle_too(tmp_path: Path, studio: LabelStudio, served: Path) -> None:
    from tests.humans.test_labelstudio_live import Person

    truth = write_digits(tmp_path / "digits")

    def answer(run_dir: Path, truth: dict[str, str]) -> None:
        there = ["--to", "labelstudio", "--url", studio.url, "--served", str(served)]
        assert main(["query", str(run_dir), *there]) == 0
        Person(studio, run_dir).label_all(truth)
        assert main(["ingest", str(run_dir), "--from", "labelstudio"]) == 0

    assert with_person(tmp_path, "badge", truth, answer) == simulation(tmp_path, "badge", truth)
