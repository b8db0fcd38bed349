"""A real Label Studio server: what is sent stands there once, and what its people do comes back as meant."""

from __future__ import annotations

import tempfile
import threading
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from autoal.commands.main import main
from autoal.humans.answers import Desk
from autoal.humans.labelstudio.client import LabelStudio
from autoal.humans.labelstudio.project import Link
from tests.humans.studio import KEY, USER
from tests.humans.test_sheets import NAMES, make_run, said

pytestmark = [pytest.mark.slow, pytest.mark.labelstudio]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return make_run(tmp_path, name=uuid.uuid4().hex)


class Person:
    """Somebody who works in a run's project, by the calls that the server's own page makes."""

    def __init__(self, studio: LabelStudio, run_dir: Path) -> None:
        link = Link.read(run_dir)
        assert link is not None
        self.studio, self.project = studio, link.project

    def tasks(self) -> dict[str, int]:
        found = self.studio.tasks(self.project)
        return {t["data"]["autoal_id"]: t["id"] for t in found if "autoal_id" in t["data"]}

    def result(self, label: str) -> list[dict[str, Any]]:
        return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]

    def label(self, item: str, label: str, **more: Any) -> int:
        body = {"result": self.result(label), "lead_time": 2.5, **more}
        path = f"/api/tasks/{self.tasks()[item]}/annotations/"
        return int(self.studio.call("POST", path, body)["id"])

    def label_all(self, truth: dict[str, str]) -> None:
        for task in self.studio.tasks(self.project):
            if not task["total_annotations"]:
                body = {"result": self.result(truth[task["data"]["autoal_id"]]), "lead_time": 1.5}
                self.studio.call("POST", f"/api/tasks/{task['id']}/annotations/", body)

    def skip(self, item: str) -> None:
        body = {"result": [], "was_cancelled": True}
        self.studio.call("POST", f"/api/tasks/{self.tasks()[item]}/annotations/", body)

    def draft(self, item: str) -> None:
        path = f"/api/tasks/{self.tasks()[item]}/drafts"
        self.studio.call("POST", path, {"result": self.result("duck"), "lead_time": 1})

    def edit(self, annotation: int, label: str) -> None:
        self.studio.call("PATCH", f"/api/annotations/{annotation}/", {"result": self.result(label)})


def send(run_dir: Path, studio: LabelStudio, served: Path, *words: str) -> int:
    there = ["--to", "labelstudio", "--url", studio.url, "--served", str(served)]
    return main(["query", str(run_dir), *there, *words])


def test_a_query_is_sent_once(
    run_dir: Path, studio: LabelStudio, served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(run_dir, studio, served) == 0
    assert "4 tasks added, 0 were there" in capsys.readouterr().out
    person = Person(studio, run_dir)
    assert send(run_dir, studio, served) == 0
    assert "0 tasks added, 4 were there" in capsys.readouterr().out
    # A kill between the project and its note: the project is found by what its description says.
    (run_dir / "labelstudio.json").unlink()
    assert send(run_dir, studio, served) == 0
    assert Person(studio, run_dir).project == person.project
    assert KEY not in (run_dir / "labelstudio.json").read_text()
    tasks = sorted(studio.tasks(person.project), key=lambda t: int(t["id"]))
    assert [t["data"]["autoal_id"] for t in tasks] == list(NAMES[:4])
    assert [t["predictions"][0]["score"] for t in tasks] == [0.75] * 4
    assert len(studio.storages(person.project)) == 1
    for made in tasks:
        request = urllib.request.Request(
            studio.url + made["data"]["image"], headers={"authorization": f"Token {KEY}"}
        )
        file = run_dir.parent / "data" / "birds" / made["data"]["autoal_id"]
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.read() == file.read_bytes()
    # Suggestions are hidden, unless somebody wants them shown.
    assert studio.project(person.project)["show_collab_predictions"] is False
    assert send(run_dir, studio, served, "--suggest") == 0
    assert studio.project(person.project)["show_collab_predictions"] is True
    config = studio.project(person.project)["label_config"].replace("heron", "goose")
    studio.call("PATCH", f"/api/projects/{person.project}/", {"label_config": config})
    capsys.readouterr()
    assert send(run_dir, studio, served) == 1
    assert "has no Choices named 'label' with the classes heron" in capsys.readouterr().err


def test_labels_skips_edits_drafts_and_second_annotators_come_back(
    run_dir: Path, studio: LabelStudio, served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take = ["ingest", str(run_dir), "--from", "labelstudio"]
    send(run_dir, studio, served)
    person = Person(studio, run_dir)
    first = person.label(NAMES[0], "duck")
    person.skip(NAMES[1])
    person.draft(NAMES[2])
    studio.call("POST", f"/api/projects/{person.project}/import", [{"data": {"image": "other.png"}}])
    capsys.readouterr()
    assert main([*take, "--dry-run"]) == 75
    assert Desk(run_dir).answers() == []
    assert main(take) == 75
    out = capsys.readouterr().out
    assert "2 answers, 2 new\n" in out
    assert "1 drafts that nobody has submitted" in out
    assert "1 tasks that are no items of this run" in out
    assert "1 tasks added in place of skipped ones" in out
    assert said(run_dir) == {NAMES[0]: ("label", "duck"), NAMES[1]: ("skip", None)}
    answer = Desk(run_dir).answers()[0]
    assert (answer["annotator"], answer["seconds"], answer["tool"]) == (USER, 2.5, "labelstudio")
    assert NAMES[4] in person.tasks(), "the skipped one's place is taken"
    assert main(take) == 75
    assert "0 new" in capsys.readouterr().out
    # An edit counts, a second annotator who agrees does no harm, and one who does not makes a dispute.
    person.edit(first, "heron")
    email = f"bob-{uuid.uuid4().hex[:6]}@example.org"
    bob = int(studio.call("POST", "/api/users/", {"email": email, "username": email})["id"])
    person.label(NAMES[0], "heron", completed_by=bob)
    for item in (NAMES[2], NAMES[3], NAMES[4]):
        person.label(item, "duck")
    person.label(NAMES[3], "heron", completed_by=bob)
    assert main(take) == 3
    assert f"{USER} and {email}: 50.0% of 2 alike" in capsys.readouterr().out
    Desk(run_dir).take([{"id": NAMES[3], "label": "duck", "annotator": "chief", "decides": True}])
    assert main(take) == 0
    standing = Desk(run_dir).latest()
    assert standing is not None
    assert {a.id: label for a, label in standing.taken} == {
        NAMES[0]: "heron",
        **{NAMES[i]: "duck" for i in (2, 3, 4)},
    }


def test_an_unknown_class_is_refused_and_nothing_taken(
    run_dir: Path, studio: LabelStudio, served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(run_dir, studio, served)
    person = Person(studio, run_dir)
    person.label(NAMES[0], "duck")
    person.label(NAMES[1], "goose")  # the server takes it
    assert main(["ingest", str(run_dir), "--from", "labelstudio"]) == 65
    assert "unknown class 'goose'" in capsys.readouterr().err
    assert Desk(run_dir).answers() == []


def test_watching_takes_what_comes(run_dir: Path, studio: LabelStudio, served: Path) -> None:
    send(run_dir, studio, served)
    person = Person(studio, run_dir)

    def work() -> None:
        time.sleep(1)
        for item in NAMES[:4]:
            person.label(item, "duck")

    worker = threading.Thread(target=work)
    worker.start()
    assert main(["ingest", str(run_dir), "--from", "labelstudio", "--watch", "0.5"]) == 0
    worker.join()
    assert len(said(run_dir)) == 4


def test_folders_that_the_server_does_not_show(
    run_dir: Path, studio: LabelStudio, served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The images' parent is below the server's folder, and not that folder: no task would have an image.
    words = ["--to", "labelstudio", "--url", studio.url]
    assert main(["query", str(run_dir), *words]) == 1
    assert "does not show /data/local-files/?d=birds/a.png: give --served" in capsys.readouterr().err
    with tempfile.TemporaryDirectory() as outside:
        assert not Path(outside).resolve().is_relative_to(served)
        other = make_run(Path(outside), name=uuid.uuid4().hex)
        assert main(["query", str(other), *words]) == 1
    assert "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=" in capsys.readouterr().err
