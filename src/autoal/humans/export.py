"""The labels of a run as a data set of its own: a manifest, a tree of class folders, or COCO's JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError
from autoal.files import atomic_open, reason, write_json
from autoal.humans.answers import Desk
from autoal.humans.sheets import link_or_copy, safe
from autoal.humans.standing import current, standing
from autoal.rundir.ledger import Ledger
from autoal.rundir.names import LEDGER

FORMATS = ("csv", "imagefolder", "coco")
COLUMNS = ("path", "label", "split", "round", "annotator", "answers")
SPLITS = {"test": "test", "val": "val"}
"""What labels of a source are for; of all others: training."""


@dataclass(frozen=True)
class Labelled:
    """A labelled image.

    Attributes:
        path: Its path below the data set's folder.
        label: Its class.
        split: ``"train"``, ``"val"`` or ``"test"``.
        round: The round that trains on it first.
        annotator: Who gave the label, joined by ``+``; empty: the data came with it.
        answers: How many answers people have given about it, corrections included.
    """

    path: str
    label: str
    split: str
    round: int
    annotator: str = ""
    answers: int = 0


def labels_of(run_dir: Path) -> list[Labelled]:
    """Return every label of a run: what it has bought, and what people have answered since.

    Args:
        run_dir: The run directory.

    Raises:
        AutoALError: If its samples are no files.
    """
    found: dict[str, Labelled] = {}
    for p in Ledger(run_dir / LEDGER).read(repair=False):
        if p.path is None:
            raise AutoALError(f"{run_dir}: the ledger names no files, so there is nothing to export")
        label = p.class_name or str(p.label)
        found[p.path] = Labelled(p.path, label, SPLITS.get(p.source, "train"), p.round)
    desk = Desk(run_dir)
    answers = desk.answers()
    said = current(answers)
    counts: dict[str, int] = {}
    for a in answers:
        if a.get("action") in ("label", "skip"):
            counts[a["id"]] = counts.get(a["id"], 0) + 1
    for query in desk.queries():
        kinds = {asked.id: asked.kind for asked in query.items}
        for item, one in standing(query, answers).outcomes.items():
            if one.label is None:
                continue
            who = sorted(name for name, a in said[item].items() if a.get("label") == one.label)
            split = SPLITS.get(kinds[item], "train")
            found[item] = Labelled(item, one.label, split, query.round, "+".join(who), counts.get(item, 0))
    if not found:
        raise AutoALError(f"{run_dir} has no labels yet")
    return list(found.values())


def export(labels: Sequence[Labelled], kind: str, folder: Path, out: Path, classes: Sequence[str]) -> Path:
    """Write labels as a data set.

    Args:
        labels: The labels.
        kind: One of :data:`FORMATS`.
        folder: Where the images are.
        out: The file, or for ``imagefolder`` the folder to write.
        classes: The class names in the order of their numbers.

    Returns:
        The file or folder.

    Raises:
        AutoALError: If it can't be written, or a class can't name a folder.
    """
    if kind == "csv":
        _write_csv(labels, out)
    elif kind == "coco":
        write_json(out, coco(labels, folder, classes))
    else:
        _write_tree(labels, folder, out)
    return out


def _write_csv(labels: Sequence[Labelled], out: Path) -> None:
    with atomic_open(out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in labels:
            # The path is not made safe for spreadsheets: it must lead to the file again.
            writer.writerow([one.path, one.label, one.split, one.round, safe(one.annotator), one.answers])


def _write_tree(labels: Sequence[Labelled], folder: Path, out: Path) -> None:
    for name in {one.label for one in labels}:
        if name in ("", ".", "..") or "/" in name or "\0" in name or name.startswith("."):
            raise AutoALError(f"class '{name}' can't be the name of a folder; export as csv or coco")
    if out.exists() and any(out.iterdir()):
        raise AutoALError(f"{out} is not empty; what stands there could be taken for an image of this run")
    try:
        for one in labels:
            target = out / one.split / one.label / one.path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(folder / one.path, target)
    except OSError as error:
        raise AutoALError(f"cannot write {out}: {reason(error)}") from error
    with atomic_open(out / "metadata.jsonl") as file:
        for one in labels:
            name = f"{one.split}/{one.label}/{one.path.lstrip('/')}"
            line = {"file_name": name, **{key: getattr(one, key) for key in COLUMNS}}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def coco(labels: Sequence[Labelled], folder: Path, classes: Sequence[str]) -> dict[str, Any]:
    """Return labels in the form of COCO's JSON: one annotation without a box per image.

    Args:
        labels: The labels.
        folder: Where the images are, for their sizes.
        classes: The class names in the order of their numbers.
    """
    from PIL import Image

    number: Mapping[str, int] = {name: i for i, name in enumerate(classes)}
    images, annotations = [], []
    for i, one in enumerate(labels):
        try:
            with Image.open(folder / one.path) as file:
                width, height = file.size
        except OSError as error:
            raise AutoALError(f"cannot read {folder / one.path}: {error}") from error
        images.append({"id": i, "file_name": one.path, "width": width, "height": height, "split": one.split})
        annotations.append(
            {"id": i, "image_id": i, "category_id": number[one.label], "annotator": one.annotator},
        )
    categories = [{"id": i, "name": name} for i, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}
