"""What goes to Label Studio and what comes back: tasks and annotations, keys and refusals, without its server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from autoal.commands.main import main
from autoal.errors import AutoALError
from autoal.humans.answers import Desk, Refused
from autoal.humans.labelstudio.client import LabelStudio, Unreachable
from autoal.humans.labelstudio.tasks import answers_of, interface, task
from tests.humans.test_sheets import make_run

USERS = {1: "ann@x.org", 2: "bob@x.org"}


def annotation(label: str | None, who: int = 1, day: int = 1, **more: Any) -> dict[str, Any]:
    """An annotation as the server exports it."""
    result = [{"from_name": "label", "type": "choices", "value": {"choices": [label]}}] if label else []
    time = f"2026-11-{day:02d}T10:00:00.000000Z"
    return {"completed_by": who, "result": result, "unique_id": f"u{who}", "updated_at": time, **more}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(make_run(tmp_path))


def exported(desk: Desk, *annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The run's tasks, with annotations for the first ones."""
    (query,) = desk.queries()
    given = [*annotations, *[[] for _ in query.items]]
    return [{"id": i + 1, **task(query, a, "birds"), "annotations": given[i]} for i, a in enumerate(query.items)]


def fetched(desk: Desk, tasks: list[dict[str, Any]], shows: bool = False) -> Any:
    return answers_of(tasks, desk.queries(), USERS, desk.answers(), shows)


def test_an_item_becomes_a_task(desk: Desk) -> None:
    (query,) = desk.queries()
    made = task(query, query.items[1], "my birds")
    assert made["data"]["image"] == "/data/local-files/?d=my%20birds/sub/b%20b.png"
    assert made["data"]["autoal_id"] == "sub/b b.png"
    assert (made["data"]["autoal_run"], made["data"]["autoal_query"]) == ("uuid", query.query)
    (suggestion,) = made["predictions"]
    assert suggestion["score"] == 0.75
    assert suggestion["result"][0]["value"] == {"choices": ["duck"]}
    names = ['<"&>', "x"]
    choices = ElementTree.fromstring(interface(names)).iter("Choice")
    assert [(c.get("value"), c.get("hotkey")) for c in choices] == [('<"&>', "1"), ("x", "2")]
    assert len(set(ElementTree.fromstring(interface([str(i) for i in range(60)])).iter("Choice"))) == 60


def test_labels_skips_edits_drafts_and_second_annotators(desk: Desk) -> None:
    tasks = exported(
        desk,
        [annotation("duck", day=1, lead_time=2.5), annotation("heron", day=2)],
        [annotation(None, was_cancelled=True)],
        [annotation(None)],
        [annotation("duck"), annotation("duck", who=2)],
        [],
    )
    tasks[4]["drafts"] = [{"result": []}]
    tasks += [{"id": 99, "data": {"image": "x"}}, {**tasks[0], "data": {**tasks[0]["data"], "autoal_run": "z"}}]
    found = fetched(desk, tasks)
    assert (found.foreign, found.empty, found.drafts) == (2, 1, 1)
    assert found.notes() == [
        "left out: 1 drafts that nobody has submitted",
        "left out: 1 annotations without a class",
        "left out: 2 tasks that are no items of this run",
    ]
    assert desk.take(found.answers, found.where) == 4
    said = [(a["id"], a["action"], a["label"], a["annotator"]) for a in desk.answers()]
    assert said == [
        ("a.png", "label", "heron", "ann@x.org"),
        ("sub/b b.png", "skip", None, "ann@x.org"),
        ("e\u0301.png", "label", "duck", "ann@x.org"),
        ("e\u0301.png", "label", "duck", "bob@x.org"),
    ]
    # Again, in any order: nothing is new.
    again = fetched(desk, tasks[::-1])
    assert desk.take(again.answers, again.where) == 0
    # An edit is a relabel; what was deleted is taken back, once; an edit of the page since then stands.
    tasks[0]["annotations"] = [annotation("duck", day=3)]
    tasks[1]["annotations"] = []
    later = fetched(desk, tasks)
    assert desk.take(later.answers, later.where) == 2
    assert [(a["id"], a["action"]) for a in desk.answers()[4:]] == [("a.png", "label"), ("sub/b b.png", "retract")]
    desk.take([{"id": "a.png", "label": "heron", "annotator": "ann@x.org", "tool": "page"}])
    last = fetched(desk, tasks)
    assert desk.take(last.answers, last.where) == 0


def test_an_unknown_class_is_refused_with_its_task(desk: Desk) -> None:
    found = fetched(desk, exported(desk, [annotation("duck")], [annotation("duk")]))
    with pytest.raises(Refused, match=r"task 2 by ann@x.org: unknown class 'duk'. Did you mean 'duck'"):
        desk.take(found.answers, found.where)
    assert desk.answers() == []


def test_what_was_shown_counts_where_the_project_shows_it(desk: Desk) -> None:
    tasks = exported(desk, [annotation("duck")])
    assert fetched(desk, tasks).answers[0]["shown"] is None
    assert fetched(desk, tasks, shows=True).answers[0]["shown"] == "duck"


class Handler(BaseHTTPRequestHandler):
    """A server that knows one access token, which is the third that it gives out."""

    given = 0
    broken = False

    def log_message(self, *words: Any) -> None:
        """Say nothing."""

    def reply(self, code: int, value: Any) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        assert self.path == "/api/token/refresh"
        Handler.given += 1
        self.reply(200, {"access": f"access-{Handler.given}"})

    def do_GET(self) -> None:
        if Handler.broken:
            self.reply(503, {"detail": "busy"})
        elif self.headers["authorization"] in ("Bearer access-2", "Token legacy"):
            self.reply(200, {"id": 7})
        else:
            self.reply(401, {"detail": "no"})


@pytest.fixture
def url() -> Iterator[str]:
    Handler.given, Handler.broken = 0, False
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_both_kinds_of_key(url: str) -> None:
    personal = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
    assert LabelStudio(url, "legacy").project(7) == {"id": 7}
    server = LabelStudio(url, personal)
    assert server.project(7) == {"id": 7}, "a token that has run out is renewed"
    assert Handler.given == 2
    with pytest.raises(AutoALError, match="refuses the key in LABEL_STUDIO_API_KEY"):
        LabelStudio(url, "wrong").project(7)
    assert personal not in repr(server)
    Handler.broken = True
    with pytest.raises(Unreachable, match="503 busy"):
        server.project(7)


def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = str(make_run(tmp_path))
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    assert main(["query", run_dir, "--to", "labelstudio"]) == 1
    assert "set LABEL_STUDIO_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "legacy")
    assert main(["ingest", run_dir, "--from", "labelstudio", "--url", "ftp://x"]) == 1
    assert "--url=ftp://x is no address like http://127.0.0.1:8080" in capsys.readouterr().err
    assert main(["query", run_dir, "--to", "labelstudio", "--url", "http://127.0.0.1:9"]) == 1
    assert "Label Studio at http://127.0.0.1:9 does not answer" in capsys.readouterr().err
    served = str(tmp_path / "data" / "birds")
    assert main(["query", run_dir, "--to", "labelstudio", "--served", served]) == 1
    assert "--served" in capsys.readouterr().err
