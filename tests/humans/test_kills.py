"""kill -9 at every arrow between asking and buying, and of the page while it takes answers: nothing is lost."""

from __future__ import annotations

import json
import random
import signal
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from autoal.humans.answers import Desk
from tests.faults import lives
from tests.faults.lives import Fault
from tests.humans.people import answer_all, config, lines, outcome, write_digits

pytestmark = pytest.mark.slow

ARROWS = {
    "before the items are pinned": Fault("autoal.humans.items:Items.extend", 1, "kill"),
    "items pinned": Fault("autoal.humans.items:Items.extend", 1, "kill_after"),
    "before the first query": Fault("autoal.humans.queries:Query.write", 1, "kill"),
    "the first query": Fault("autoal.humans.queries:Query.write", 1, "kill_after"),
    "before the labels of the first query": Fault("autoal.rundir.ledger:Ledger.append", 1, "kill"),
    "test labels bought": Fault("autoal.rundir.ledger:Ledger.append", 1, "kill_after"),
    "validation labels bought": Fault("autoal.rundir.ledger:Ledger.append", 2, "kill_after"),
    "initial labels bought": Fault("autoal.rundir.ledger:Ledger.append", 3, "kill_after"),
    "trained": Fault("autoal.loop.callback:evaluate", 1, "kill"),
    "selected": Fault("autoal.humans.queries:Query.write", 1, "kill"),
    "asked, before the checkpoint": Fault("autoal.humans.queries:Query.write", 1, "kill_after"),
    "asked, in the checkpoint": Fault("autoal.loop.callback:ActiveLearning._ask_people", 1, "kill_after"),
    "answered, between ledger and pool": Fault("autoal.rundir.ledger:Ledger.append", 1, "kill_after"),
    "answered, before the checkpoint": Fault("autoal.rundir.directory:RunDir.write_rounds", 1, "kill_after"),
}
LATER = ("selected", "asked, before the checkpoint", "asked, in the checkpoint", "trained")
"""Arrows of the second life, which has the answers to the first query."""
LAST = ("answered, between ledger and pool", "answered, before the checkpoint")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "digits"
    write_digits(folder)
    return folder


def live_on(cfg: dict[str, Any], run_dir: Path, truth: dict[str, str], resume: bool) -> None:
    """Live and answer until the run is finished."""
    for _ in range(8):
        assert lives.live(cfg, run_dir, resume=resume) == 0, lives.log_of(run_dir)
        resume = True
        if json.loads((run_dir / "summary.json").read_text())["status"] == "finished":
            return
        answer_all(run_dir, truth)
    raise AssertionError("the run does not end")


@pytest.fixture(scope="module")
def calm(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run_dir = tmp_path_factory.mktemp("calm") / "run"
    live_on(tiny(images), run_dir, write_digits(images), resume=False)
    return outcome(run_dir)


def tiny(images: Path) -> dict[str, Any]:
    return config(
        images, "oracle=human", "oracle.n_test=20", "strategy=margin", "loop.n_rounds=2", "loop.epochs=2"
    )


@pytest.mark.parametrize("arrow", ARROWS)
def test_a_kill_at_an_arrow_leaves_the_old_state_or_the_new_one(
    arrow: str, tmp_path: Path, images: Path, calm: dict[str, Any]
) -> None:
    cfg, truth, run_dir, fault = tiny(images), write_digits(images), tmp_path / "run", ARROWS[arrow]
    lives_before = 2 if arrow in LAST else 1 if arrow in LATER else 0
    if "labels" in arrow:
        lives_before = 1
    for number in range(lives_before):
        assert lives.live(cfg, run_dir, resume=number > 0) == 0, lives.log_of(run_dir)
        answer_all(run_dir, truth)
    resume = lives_before > 0
    died = lives.live(cfg, run_dir, resume=resume, faults=[fault])
    assert died == -signal.SIGKILL, lives.log_of(run_dir)
    asked = [q.query for q in Desk(run_dir).queries()]
    live_on(cfg, run_dir, truth, resume=True)
    assert outcome(run_dir) == calm
    assert [q.query for q in Desk(run_dir).queries()][: len(asked)] == asked
    said = [a["id"] for a in Desk(run_dir).answers()]
    assert len(said) == len(set(said))


def until_corrected(cfg: dict[str, Any], run_dir: Path, truth: dict[str, str]) -> None:
    """Live until the first query is asked, with one wrong label that is corrected before the run goes on."""
    assert lives.live(cfg, run_dir) == 0, lives.log_of(run_dir)
    item = next(a for a in Desk(run_dir).queries()[0].items if a.kind == "init")
    wrong = next(name for name in Desk(run_dir).queries()[0].classes if name != truth[item.id])
    answer_all(run_dir, {**truth, item.id: wrong})
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    Desk(run_dir).take([{"id": item.id, "label": truth[item.id], "annotator": "ann"}])
    answer_all(run_dir, truth)


@pytest.fixture(scope="module")
def corrected(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run_dir, truth = tmp_path_factory.mktemp("corrected") / "run", write_digits(images)
    until_corrected(tiny(images), run_dir, truth)
    live_on(tiny(images), run_dir, truth, resume=True)
    return outcome(run_dir)


@pytest.mark.parametrize("action", ["kill", "kill_after"])
def test_a_kill_at_a_correction_keeps_it_once(
    action: str, tmp_path: Path, images: Path, corrected: dict[str, Any]
) -> None:
    cfg, truth, run_dir = tiny(images), write_digits(images), tmp_path / "run"
    until_corrected(cfg, run_dir, truth)
    fault = Fault("autoal.loop.people:PeoplePurchases._revise", 1, action)
    assert lives.live(cfg, run_dir, resume=True, faults=[fault]) == -signal.SIGKILL, lives.log_of(run_dir)
    live_on(cfg, run_dir, truth, resume=True)
    assert outcome(run_dir) == corrected
    assert [line["from_round"] for line in lines(run_dir / "decisions.jsonl")] == [1]


def post(address: str, message: dict[str, Any]) -> int:
    """Send an answer to the page; returns the status, 0 where the connection broke."""
    url = urlsplit(address)
    token = parse_qs(url.query)["token"][0]
    request = urllib.request.Request(
        f"http://{url.netloc}/api/answer?annotator=ann",
        json.dumps(message).encode(),
        {"content-type": "application/json", "x-autoal-token": token},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0


def test_sixty_kills_of_the_page_lose_no_answer_that_was_shown_as_given(tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    from tests.browser.test_label_page import CLASSES, Server
    from tests.humans.test_sheets import make_many

    run_dir = make_many(tmp_path, 400)
    draw = random.Random(0)
    confirmed: dict[str, str] = {}
    sent: dict[str, tuple[str, str]] = {}
    number = 0
    server = Server(run_dir)
    for _ in range(60):
        timer = threading.Timer(draw.uniform(0.0, 0.05), server.process.kill)
        while True:
            # What was not confirmed is sent again with the same key, as the page does.
            key = next((k for k in sent if k not in confirmed), f"1/{number}")
            if key not in sent:
                sent[key] = (draw.choice(CLASSES[:2]), f"page:{number}")
                number += 1
            label, external = sent[key]
            status = post(server.address, {"key": key, "action": "label", "label": label, "external": external})
            assert status in (0, 200)
            if status == 0:
                break
            confirmed[key] = label
            if timer.ident is None:
                timer.start()
        timer.join()
        server.process.wait()
        server.start(server.port)
    server.close()
    said = Desk(run_dir).answers()
    items = {f"1/{a.rank}": a.id for a in Desk(run_dir).queries()[0].items}
    found = {a["id"]: a["label"] for a in said}
    assert all(found[items[key]] == label for key, label in confirmed.items())
    assert len(said) == len(found), "an answer was taken twice"
    assert len(confirmed) >= 60
    assert all(json.dumps(line) for line in lines(run_dir / "answers.jsonl"))
