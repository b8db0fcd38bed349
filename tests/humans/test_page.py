"""The labelling page's server: who may call it, what it takes, what it never loses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoal.errors import AutoALError
from autoal.humans.answers import Desk
from autoal.humans.board import Board
from autoal.humans.place import Place
from autoal.rundir.predictions import Predictions
from tests.humans.test_sheets import NAMES, make_run

pytest.importorskip("starlette")
TOKEN = "t" * 32


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return make_run(tmp_path)


def client_of(run_dir: Path, **options: Any) -> Any:
    from starlette.testclient import TestClient

    from autoal.humans.server import make_app

    app = make_app(Board(Place.of(run_dir), **options), TOKEN, "ann")
    return TestClient(app, base_url="http://127.0.0.1:8765", headers={"x-autoal-token": TOKEN})


@pytest.fixture
def client(run_dir: Path) -> Iterator[Any]:
    with client_of(run_dir) as made:
        yield made


def test_without_the_token_or_under_another_name_nothing_is_told(client: Any) -> None:
    for path in ("/api/query", "/image/1/0"):
        assert client.get(path, headers={"x-autoal-token": "wrong"}).status_code == 403
        assert client.get(f"{path}?token=wrong", headers={"x-autoal-token": ""}).status_code == 403
    assert client.post("/api/answer", json={}, headers={"x-autoal-token": ""}).status_code == 403
    # A name of somebody else's that leads to this machine (DNS rebinding).
    assert client.get("/api/query", headers={"host": "evil.example:8765"}).status_code == 400
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "access-control-allow-origin" not in page.headers
    assert TOKEN not in page.text
    # A form of another site can send no JSON.
    assert client.post("/api/answer", content="{}", headers={"content-type": "text/plain"}).status_code == 415
    for path in ("/../../etc/passwd", "/%2e%2e/answers.py", "/image/1/-1", "/image/1/99", "/image/../0"):
        assert client.get(path).status_code == 404


def test_images_come_by_number_and_tiff_as_png(client: Any, run_dir: Path) -> None:
    answer = client.get(f"/image/1/1?token={TOKEN}", headers={"x-autoal-token": ""})
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (run_dir.parent / "data" / "birds" / NAMES[1]).read_bytes()
    from PIL import Image

    from autoal.humans.server import _image

    Image.new("RGB", (5, 4)).save(run_dir / "x.tif")
    assert _image(run_dir / "x.tif").body.startswith(b"\x89PNG")


def test_an_answer_is_on_disk_before_it_is_confirmed_and_a_repetition_is_no_second_one(
    client: Any, run_dir: Path
) -> None:
    message = {
        "key": "1/0",
        "action": "label",
        "label": "duck",
        "seconds": 1.5,
        "external": "page:1",
        "expects": "",
    }
    for _ in range(2):
        answer = client.post("/api/answer", json=message)
        assert answer.status_code == 200
        assert answer.json()["item"]["mine"] == {"action": "label", "label": "duck", "reason": None}
    (line,) = Desk(run_dir).answers()
    assert (line["id"], line["tool"], line["seconds"], line["annotator"]) == ("a.png", "page", 1.5, "ann")


def test_the_second_of_two_windows_is_told(client: Any, run_dir: Path) -> None:
    first = {"key": "1/0", "action": "label", "label": "duck", "external": "page:1", "expects": ""}
    stamp = client.post("/api/answer", json=first).json()["item"]["stamp"]
    other = client.post("/api/answer", json={**first, "label": "heron", "external": "page:2"})
    assert other.status_code == 409
    assert "answered in another window: duck" in other.json()["error"]
    again = {**first, "label": "heron", "external": "page:3", "expects": stamp}
    assert client.post("/api/answer", json=again).json()["item"]["mine"]["label"] == "heron"
    gone = {"key": "1/0", "action": "retract", "external": "page:4"}
    assert client.post("/api/answer", json=gone).json()["item"]["mine"] is None
    assert [a["action"] for a in Desk(run_dir).answers()] == ["label", "label", "retract"]


@pytest.mark.parametrize(
    "wrong",
    [{"key": "1/77"}, {"key": "x"}, {"label": "swan"}, {"action": "skip", "reason": "bored"}, {"seconds": -1}],
)
def test_what_does_not_fit_is_refused(client: Any, run_dir: Path, wrong: dict[str, Any]) -> None:
    answer = client.post("/api/answer", json={"key": "1/0", "action": "label", "label": "duck", **wrong})
    assert answer.status_code == 422
    assert Desk(run_dir).answers() == []


def test_a_full_disk_is_said_and_nothing_half_is_left(
    client: Any, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    message = {"key": "1/0", "action": "label", "label": "duck", "external": "page:1"}
    with monkeypatch.context() as full:

        def fsync(handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr("autoal.humans.journal.os.fsync", fsync)
        answer = client.post("/api/answer", json=message)
        assert answer.status_code == 507
        assert "disk full" in answer.json()["error"]
    assert Desk(run_dir).answers() == []
    assert client.post("/api/answer", json=message).status_code == 200
    assert len(Desk(run_dir).answers()) == 1


def test_a_skip_lets_a_spare_in_and_suggestions_are_hidden(client: Any, run_dir: Path) -> None:
    state = client.get("/api/query").json()
    assert len(state["items"]) == 4
    assert "suggestion" not in state["items"][0]
    said = client.post("/api/answer", json={"key": "1/0", "action": "skip", "reason": "broken"})
    assert said.json()["n"] == 5
    with client_of(run_dir, suggest=True) as other:
        assert other.get("/api/query").json()["items"][1]["suggestion"] == "duck"
        other.post("/api/answer", json={"key": "1/1", "action": "label", "label": "duck"})
    assert Desk(run_dir).answers()[-1]["shown"] == "duck"


def test_two_annotators_are_not_sent_to_one_image(client: Any, run_dir: Path) -> None:
    lease = {"key": "1/0"}
    assert client.post("/api/lease", json=lease).json() == {"taken_by": None}
    assert client.post("/api/lease?annotator=bob", json=lease).json() == {"taken_by": "ann"}
    assert client.post("/api/lease", json={"key": "1/1"}).json() == {"taken_by": None}
    assert client.post("/api/lease?annotator=bob", json=lease).json() == {"taken_by": None}


def test_review_begins_with_what_the_model_doubts(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path)
    desk = Desk(run_dir)
    desk.take([{"id": i, "label": "duck", "annotator": "ann"} for i in NAMES[:3]])
    desk.take([{"id": NAMES[3], "label": "heron", "annotator": "ann"}])
    state = Board(Place.of(run_dir), mode="review").state("ann")
    assert state["items"][0]["id"] == NAMES[3]
    assert len(state["items"]) == 4


def test_a_simulated_run_has_no_page(run_dir: Path) -> None:
    config = run_dir / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("people: true", "people: false"))
    with pytest.raises(AutoALError, match="simulated oracle: nobody is asked"):
        Place.of(run_dir)


def test_the_page_advises_once_there_is_something_to_say(client: Any, run_dir: Path) -> None:
    def advised() -> Any:
        return client.get("/api/query").json()["advice"]

    assert advised() is None
    targets = np.arange(60) % 3
    found = Predictions.none()
    for round_ in range(4):
        found = found.with_round(round_, targets, targets, 1.0)
        found.write(run_dir)
        os.utime(run_dir / "predictions.npz", ns=(round_ + 1, round_ + 1))
        assert (advised() is None) == (round_ < 3)
    assert advised().startswith("you may stop: the last 3 rounds changed the test accuracy by +0.0 points")
    (run_dir / "predictions.npz").write_bytes(b"damaged")
    assert advised() is None, "nobody is kept from labelling by it"
