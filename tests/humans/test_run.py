"""A run with people over several days: waiting, files that come and go, corrections, what comes out."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from PIL import Image

from autoal.commands.main import main
from autoal.errors import AutoALError
from autoal.humans.answers import Desk
from autoal.humans.queries import Asked
from autoal.rundir.resume import resumed
from tests.humans.people import CLASSES, answer_all, config, lines, outcome, run, write_digits, write_manifest


class Story:
    """A run and the person who answers it."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.images = folder / "digits"
        self.run_dir = folder / "run"
        self.truth = write_digits(self.images)
        self.cfg = config(self.images, "oracle=human", "oracle.n_test=30", "strategy=margin", *overrides)

    def part(self, resume: bool = True) -> dict[str, Any]:
        return run(self.cfg, self.run_dir, resume)

    def answer(self, say: Any = None) -> int:
        return answer_all(self.run_dir, self.truth, say)

    @property
    def bought(self) -> list[dict[str, Any]]:
        return lines(self.run_dir / "ledger.jsonl")


def test_a_run_waits_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path, "loop.n_rounds=1")
    assert story.part(resume=False)["status"] == "waiting"
    assert "images: autoal label" in capsys.readouterr().out.splitlines()[-1]
    pinned = lines(story.run_dir / "pool.jsonl")
    assert pinned[1]["id"] == sorted(story.truth)[0]
    assert pinned[1]["sha256"] == hashlib.sha256((story.images / pinned[1]["id"]).read_bytes()).hexdigest()
    assert not (story.run_dir / "ledger.jsonl").exists()
    query = Desk(story.run_dir).queries()[0]
    assert query.wanted == {"test": 30, "val": 6, "init": 20}
    assert sum(a.spare for a in query.items) == 6  # a tenth of each, rounded up
    # The same answer to a command line that resumes too early, before anything heavy.
    composed = OmegaConf.create({**story.cfg, "resume": str(story.run_dir)})
    from autoal.run.start import run as start

    with pytest.raises(SystemExit) as end:
        start(composed, story.run_dir)
    assert end.value.code == 75
    assert "56 of 56 missing" in capsys.readouterr().out
    # Two skips: spares take their places, and the counts stay.
    skipped = [query.items[0].id, query.items[40].id]
    story.answer(
        lambda a: {"action": "skip", "reason": "unsure"} if a.id in skipped else {"label": story.truth[a.id]}
    )
    assert story.answer() == 2
    assert story.part()["status"] == "waiting"
    assert story.answer() == 10
    assert story.part()["status"] == "finished"
    sources = [p["source"] for p in story.bought]
    assert [sources.count(s) for s in ("test", "val", "init", "query")] == [30, 6, 20, 10]
    assert all(p["class"] == story.truth[p["path"]] for p in story.bought)
    assert not {p["path"] for p in story.bought} & set(skipped)
    with (story.run_dir / "rounds.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["people_answers"], row["people_skips"]) for row in rows] == [("58.0", "2.0"), ("10.0", "0.0")]
    assert main(["status", str(story.run_dir)]) == 0
    assert main(["show", str(story.run_dir), "--limit", "2"]) == 0
    out = capsys.readouterr().out
    assert "round 1, query, margin: 10 labels" in out
    assert story.bought[-10]["path"] in out


@pytest.mark.slow
def test_images_come_go_and_change_between_the_days(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.part(resume=False)
    story.answer()
    story.part()
    asked = {a.id for q in Desk(story.run_dir).queries() for a in q.items}
    free = [name for name in sorted(story.truth) if name not in asked]
    # One goes, one is renamed, and two that sort first come.
    (story.images / free[0]).unlink()
    (story.images / free[1]).rename(story.images / "0 renamed.png")
    shutil.copy(story.images / free[2], story.images / "0 new.png")
    story.truth |= {"0 renamed.png": story.truth[free[1]], "0 new.png": story.truth[free[2]]}
    story.answer()
    assert story.part()["status"] == "waiting"
    log = (story.run_dir / "train.log").read_text()
    assert f"{free[0]} has gone" in log
    assert "2 new images" in log
    ids = [line["id"] for line in lines(story.run_dir / "pool.jsonl")[1:]]
    assert ids == [*sorted(name for name in story.truth if name not in ("0 renamed.png", "0 new.png")),
                   "0 new.png", "0 renamed.png"]  # fmt: skip
    story.answer()
    assert story.part()["status"] == "finished"
    assert all(p["class"] == story.truth[p["path"]] and ids[p["id"]] == p["path"] for p in story.bought)
    assert not {free[0], free[1]} & {p["path"] for p in story.bought}


@pytest.mark.slow
def test_a_changed_or_lost_image_that_was_asked_for_ends_the_run(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.part(resume=False)
    story.answer()
    first = story.images / Desk(story.run_dir).queries()[0].items[0].id
    kept = first.read_bytes()
    Image.new("L", (16, 16), 7).save(first)
    with pytest.raises(AutoALError, match=f"{first.name} has changed since this run began"):
        story.part()
    # Other content of the same length.
    first.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(AutoALError, match="has changed since this run began"):
        story.part()
    first.unlink()
    with pytest.raises(AutoALError, match="has gone, and this run has asked for it"):
        story.part()
    first.write_bytes(kept)
    assert story.part()["status"] == "waiting"


@pytest.mark.slow
def test_a_corrected_label_counts_from_the_next_round_on(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.part(resume=False)
    item = next(a for a in Desk(story.run_dir).queries()[0].items if a.kind == "init")
    wrong = CLASSES[(CLASSES.index(story.truth[item.id]) + 1) % 10]
    story.answer(lambda a: {"label": wrong if a.id == item.id else story.truth[a.id]})
    story.part()
    Desk(story.run_dir).take([{"id": item.id, "label": story.truth[item.id], "annotator": "ann"}])
    story.answer()
    story.part()
    (revision,) = lines(story.run_dir / "decisions.jsonl")
    assert (revision["id"], revision["class"], revision["from_round"]) == (item.id, story.truth[item.id], 1)
    story.answer()
    assert story.part()["status"] == "finished"
    out = tmp_path / "labels.csv"
    assert main(["export", str(story.run_dir), "--out", str(out)]) == 0
    with out.open() as file:
        exported = {row["path"]: row for row in csv.DictReader(file)}
    assert exported[item.id]["label"] == story.truth[item.id]
    assert exported[item.id]["answers"] == "2"
    # What a run exports is a manifest that another run begins with.
    assert all(row["label"] == story.truth[path] for path, row in exported.items())
    again = config(story.images, "dataset.test_share=0.2", f"dataset.manifest={out}", "loop.n_rounds=0")
    assert run({**again, "loop": {**again["loop"], "n_val": 0}}, tmp_path / "again")["status"] == "finished"
    folder = tmp_path / "tree"
    assert main(["export", str(story.run_dir), "--to", "imagefolder", "--out", str(folder)]) == 0
    assert len(list((folder / "test").rglob("*.png"))) == 30
    assert main(["export", str(story.run_dir), "--to", "coco", "--out", str(tmp_path / "labels.json")]) == 0
    coco = json.loads((tmp_path / "labels.json").read_text())
    names = {c["id"]: c["name"] for c in coco["categories"]}
    files = {i["id"]: i["file_name"] for i in coco["images"]}
    assert all(names[a["category_id"]] == story.truth[files[a["image_id"]]] for a in coco["annotations"])
    out = tmp_path / "predictions.csv"
    assert main(["predict", str(story.run_dir), str(story.images), "--out", str(out)]) == 0
    with out.open() as file:
        assert {row["class_name"] for row in csv.DictReader(file)} <= set(CLASSES)


@pytest.mark.slow
def test_skipped_images_are_asked_again_if_somebody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story(tmp_path, "oracle.spare=0.1", "loop.n_query=4", "loop.n_rounds=3")
    for name in sorted(story.truth)[68:]:
        (story.images / name).unlink()  # 56 labels in round 0, then 12: the skipped ones are needed at the end
    story.part(resume=False)
    query = Desk(story.run_dir).queries()[0]
    skipped = {query.items[0].id, query.items[45].id}
    story.answer(lambda a: {"action": "skip"} if a.id in skipped else {"label": story.truth[a.id]})
    assert main(["ingest", str(story.run_dir), "--requeue-skips"]) == 75
    assert "0 skipped images" in capsys.readouterr().out, "the open query's spares have their places"
    story.answer()
    story.part()
    assert main(["ingest", str(story.run_dir), "--requeue-skips"]) == 75
    assert "2 skipped images" in capsys.readouterr().out
    while story.answer():
        summary = story.part()
    assert summary["status"] == "finished"
    assert skipped <= {p["path"] for p in story.bought}
    assert len(story.bought) == 68
    assert main(["ingest", str(story.run_dir), "--requeue-skips"]) == 0
    assert "0 skipped images" in capsys.readouterr().out


@pytest.mark.slow
def test_a_pool_begins_with_the_labels_that_there_are(tmp_path: Path) -> None:
    story = Story(tmp_path)
    known = dict(sorted(story.truth.items())[:25])
    write_manifest(story.images, {**dict.fromkeys(story.truth, ""), **known})
    words = ("oracle=human", "oracle.n_test=30", "dataset.manifest=labels.csv", "loop.n_val=0", "strategy=margin")
    story.cfg = config(story.images, *words)
    with pytest.raises(AutoALError, match=r"25 training images have labels already: set loop.init=labelled"):
        story.part(resume=False)
    story.cfg = config(story.images, *words, "loop.init=labelled")
    story.part(resume=False)
    assert [a.kind for a in Desk(story.run_dir).queries()[0].items if not a.spare] == ["test"] * 30
    while story.answer():
        summary = story.part()
    assert summary["status"] == "finished"
    first = [p for p in story.bought if p["strategy"] == "labelled"]
    assert {p["path"]: p["class"] for p in first} == known


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["margin", "albl", "ceal"])
def test_more_rounds_on_resume_are_the_run_that_was_longer_from_the_start(tmp_path: Path, strategy: str) -> None:
    from tests.faults import lives

    words = [f"strategy={strategy}"]
    short, long = lives.config(*words, "loop.n_rounds=1"), lives.config(*words, "loop.n_rounds=3")
    run(long, tmp_path / "long")
    run(short, tmp_path / "grown")
    composed = {**long, "resume": str(tmp_path / "grown")}
    start = resumed(tmp_path / "grown", composed, ["loop.n_rounds=3"])
    assert start.summary is None
    run(start.config, tmp_path / "grown", resume=True)
    assert outcome(tmp_path / "grown") == outcome(tmp_path / "long")
    assert resumed(tmp_path / "grown", {"resume": "x"}, []).summary is not None
    fewer = {**composed, "loop": {**composed["loop"], "n_rounds": 2}}
    with pytest.raises(AutoALError, match=r"loop.n_rounds=2 can't be given with resume"):
        resumed(tmp_path / "grown", fewer, ["loop.n_rounds=2"])


@pytest.mark.slow
def test_suggest_names_what_to_label_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write_digits(tmp_path / "digits", 120)
    known = dict(sorted(truth.items())[::2])
    write_manifest(tmp_path / "digits", {**dict.fromkeys(truth, ""), **known})
    words = ["suggest", str(tmp_path / "digits" / "labels.csv"), "-n", "7", "--epochs", "2", "--size", "16"]
    assert (
        main([*words, "--strategy", "margin", "trainer=cpu", "backbone=mlp", "--out", str(tmp_path / "n.csv")])
        == 0
    )
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 7
    assert all(row[0] in truth and row[0] not in known and row[2] in CLASSES for row in rows)
    assert len((tmp_path / "n.csv").read_text().splitlines()) == 8


def test_what_nobody_can_answer_is_refused_at_once(tmp_path: Path) -> None:
    story = Story(tmp_path)
    for words, message in (
        (("loop.init=class_balanced",), "class_balanced reads labels, which nobody knows yet"),
        (("loop.init=labelled",), "no training image has a label"),
        (("oracle.n_test=0",), "the data have no test part"),
        (("oracle.n_test=220",), r"oracle.n_test 220 = 246 is larger than the pool of 240"),
        (("dataset.imbalance=10",), "asks about image files"),
        (("oracle.min_agree=2",), "oracle.min_agree=2 is more than oracle.overlap=1"),
    ):
        with pytest.raises(AutoALError, match=message):
            run(config(story.images, "oracle=human", *words), tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_an_asked_item_is_one_line_of_json() -> None:
    asked = Asked("a.png", 3, "query", "0" * 64, 1)
    assert json.loads(json.dumps(vars(asked)))["item"] == 3
