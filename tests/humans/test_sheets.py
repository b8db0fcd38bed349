"""Files that go out and come back: whole or not at all, and every way they can be wrong."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from autoal.commands.main import main
from autoal.humans.answers import Desk, Refused
from autoal.humans.queries import Asked, Query, name_of
from autoal.humans.sheets import read_answers

NAMES = ("a.png", "sub/b b.png", "=1+1.png", "e\u0301.png", "f.png", "g.png")


def make_run(folder: Path, overlap: int = 1, min_agree: int = 1, wanted: int = 4, name: str = "uuid") -> Path:
    """A run directory that waits for four answers, with two spares."""
    run_dir = folder / "run"
    for file in NAMES:
        (folder / "data" / "birds" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / "data" / "birds" / file)
    (run_dir / ".hydra").mkdir(parents=True)
    config = {
        "oracle": {"name": "human", "people": True},
        "dataset": {"name": "birds", "path": "birds"},
        "paths": {"data_dir": str(folder / "data"), "run_dir": str(run_dir)},
    }
    (run_dir / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    (run_dir / "summary.json").write_text(json.dumps({"status": "waiting"}))
    items = [
        Asked(file, 10 + i, "query", f"{i:064d}", i, 0.5, "duck", 0.75, spare=i >= wanted)
        for i, file in enumerate(NAMES)
    ]
    classes, counts = ("duck", "heron"), {"query": wanted}
    query = name_of(name, 1, items)
    Query(name, query, 1, "margin", classes, counts, overlap, min_agree, tuple(items)).write(run_dir)
    return run_dir


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return make_run(tmp_path)


def said(run_dir: Path) -> dict[str, tuple[str, str | None]]:
    return {a["id"]: (a["action"], a["label"]) for a in Desk(run_dir).answers()}


def sheet(path: Path, change: Callable[[list[dict[str, str]]], object]) -> Path:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_sheet_goes_out_and_comes_back(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run_dir.parent / "ask.csv"
    assert main(["query", str(run_dir), "--out", str(out)]) == 0
    first = out.read_bytes()
    assert main(["query", str(run_dir), "--out", str(out)]) == 0
    assert out.read_bytes() == first
    assert b"'=1+1.png" in first

    def fill(rows: list[dict[str, str]]) -> None:
        assert len(rows) == 4
        rows[0]["label"] = "duck"
        rows[2]["label"] = "heron"

    assert main(["ingest", str(run_dir), str(sheet(out, fill)), "--annotator", "ann"]) == 75
    assert said(run_dir) == {"a.png": ("label", "duck"), "=1+1.png": ("label", "heron")}
    assert "2 missing" in capsys.readouterr().out
    # A skip lets the next spare in.
    sheet(out, lambda rows: (rows[1].update(skip="unsure"), rows[3].update(label="duck")))
    assert main(["ingest", str(run_dir), str(out), "--annotator", "ann"]) == 75
    assert len(Desk(run_dir).answers()) == 4
    assert main(["ingest", str(run_dir), str(out), "--annotator", "ann"]) == 75
    assert len(Desk(run_dir).answers()) == 4
    standing = Desk(run_dir).latest()
    assert standing is not None
    assert [a.id for a in standing.open] == ["f.png"]
    assert main(["ingest", str(run_dir), "--partial"]) == 0
    assert (Desk(run_dir).latest() or standing).complete


def test_json_lines_and_folders_come_back(run_dir: Path) -> None:
    lines = run_dir.parent / "ask.jsonl"
    assert main(["query", str(run_dir), "--to", "jsonl", "--out", str(lines)]) == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert rows[0]["suggestion"] == "duck"
    lines.write_text("".join(json.dumps({**row, "label": "heron"}) + "\n" for row in rows[:2]))
    assert main(["ingest", str(run_dir), str(lines)]) == 75
    folder = run_dir.parent / "out"
    assert main(["query", str(run_dir), "--to", "imagefolder", "--out", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["00002.png", "00003.png", "metadata.csv"]
    (folder / "duck").mkdir()
    (folder / "00002.png").rename(folder / "duck" / "00002.png")
    sheet(folder / "metadata.csv", lambda rows: rows[1].update(label="heron"))
    assert main(["ingest", str(run_dir), str(folder)]) == 0
    assert said(run_dir) == {
        "a.png": ("label", "heron"),
        "sub/b b.png": ("label", "heron"),
        "=1+1.png": ("label", "duck"),
        "e\u0301.png": ("label", "heron"),
    }
    assert main(["query", str(run_dir)]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\na.png,duk\n", "row 2: unknown class 'duk'. Did you mean 'duck'"),
        (
            "id,label\na.pgn,duck\n",
            r"row 2: nobody was asked about this: unknown item 'a.pgn'. Did you mean 'a.png'",
        ),
        ("id,label\na.png,duck\na.png,heron\n", "row 3: a.png is answered otherwise in .*row 2"),
        ("query,id,label\nr001-ffff,a.png,duck\n", "row 2: unknown query 'r001-ffff'"),
        ("id,label,skip\na.png,duck,1\n", "row 2 has a label and a skip"),
        ("id,class\na.png,duck\n", "has no column 'label'; it has: id, class"),
        ("id,label\na.png,duck,more\n", "row 2 has more cells than the header"),
        (b"id,label\na.png,\xff\n", "is not a text file in UTF-8"),
        (b"", "has no column 'id'; it has: nothing"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_whole(
    run_dir: Path, text: str | bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_dir.parent / "answers.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["ingest", str(run_dir), str(path)]) == 65
    assert re.search(message, capsys.readouterr().err)
    assert Desk(run_dir).answers() == []


def test_spreadsheets_of_other_countries(run_dir: Path) -> None:
    path = run_dir.parent / "answers.csv"
    # A byte-order mark, semicolons, Windows line ends and slashes, and an accent written in one character.
    path.write_bytes("\ufeffid;label\r\nsub\\b b.png;duck\r\n\u00e9.png;heron\r\n".encode())
    assert main(["ingest", str(run_dir), str(path)]) == 75
    assert said(run_dir) == {"sub/b b.png": ("label", "duck"), "e\u0301.png": ("label", "heron")}


def test_answers_of_another_run_or_another_picture_are_refused(run_dir: Path) -> None:
    path = run_dir.parent / "answers.jsonl"
    for wrong in (
        {"run": "other"},
        {"sha256": "0" * 63 + "9"},
        {"action": "lable"},
        {"label": "none", "seconds": 1},
    ):
        path.write_text(json.dumps({"id": "a.png", "action": "label", "label": "duck", **wrong}) + "\n")
        assert main(["ingest", str(run_dir), str(path)]) == 65
    assert Desk(run_dir).answers() == []


def test_a_dry_run_takes_nothing(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_dir.parent / "answers.csv"
    path.write_text("id,label\na.png,duck\n")
    assert main(["ingest", str(run_dir), str(path), "--dry-run"]) == 75
    assert "1 answers, 1 new (dry run" in capsys.readouterr().out
    assert Desk(run_dir).answers() == []


def test_disputes_wait_for_a_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = make_run(tmp_path, overlap=2, min_agree=2, wanted=2)
    desk = Desk(run_dir)
    desk.take([{"id": i, "label": "duck", "annotator": "ann"} for i in NAMES[:2]])
    assert main(["ingest", str(run_dir)]) == 75
    desk.take([{"id": NAMES[0], "label": "duck", "annotator": "bob"}])
    desk.take([{"id": NAMES[1], "label": "heron", "annotator": "bob"}])
    capsys.readouterr()
    assert main(["ingest", str(run_dir)]) == 3
    assert "ann and bob: 50.0% of 2 alike, Cohen's kappa 0.000" in capsys.readouterr().out
    desk.take([{"id": NAMES[1], "label": "heron", "annotator": "chief", "decides": True}])
    assert main(["ingest", str(run_dir)]) == 0
    standing = desk.latest()
    assert standing is not None
    assert [label for _, label in standing.taken] == ["duck", "heron"]


def test_a_torn_line_is_cut_off_by_the_next_writer(run_dir: Path) -> None:
    desk = Desk(run_dir)
    desk.take([{"id": "a.png", "label": "duck", "annotator": "ann"}])
    with desk.journal.path.open("ab") as file:
        file.write(b'{"id": "sub/b b.png", "lab')
    assert len(desk.answers()) == 1
    desk.take([{"id": "f.png", "label": "heron", "annotator": "ann"}])
    assert [a["id"] for a in desk.answers()] == ["a.png", "f.png"]


def make_many(folder: Path, n: int) -> Path:
    """A run directory that waits for many answers to images that nobody looks at."""
    run_dir = make_run(folder)
    items = [Asked(f"{i}.png", i, "query", "", i) for i in range(n)]
    query = name_of("uuid", 1, items)
    Query("uuid", query, 1, "margin", ("circle", "square"), {"query": n}, 1, 1, tuple(items)).write(run_dir)
    return run_dir


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_taken_whole_or_not_at_all(run_dir: Path, data: st.DataObject) -> None:
    (run_dir / "answers.jsonl").unlink(missing_ok=True)
    desk = Desk(run_dir)
    kind = data.draw(st.sampled_from(["csv", "jsonl"]))
    if kind == "csv":
        content = b"id,label,skip\na.png,duck,\nsub/b b.png,heron,\nf.png,,unsure\n"
    else:
        lines = [{"id": "a.png", "label": "duck", "action": "label"}, {"id": "f.png", "action": "skip"}]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 6))
        content = content[:at] + data.draw(st.binary(max_size=4)) + content[at + cut :]
    path = run_dir.parent / f"damaged.{kind}"
    path.write_bytes(content)
    refused = ""
    try:
        answers, where = read_answers(path, "ann")
        taken = desk.take(answers, where)
    except Refused as error:
        refused = str(error)
    said = desk.answers()
    if refused:
        assert said == []
        assert "\n" not in refused
        return
    assert len(said) == taken == len({(a["id"], a["annotator"]) for a in said})
    assert {a["label"] for a in said if a["action"] == "label"} <= {"duck", "heron"}
    assert {a["id"] for a in said} <= set(NAMES)
    assert desk.take(answers, where) == 0, "twice is as good as once"
