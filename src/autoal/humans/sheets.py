"""Queries as files for other tools, and the files that come back: JSONL, CSV, folders of images."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autoal.errors import AutoALError
from autoal.files import atomic_open, reason
from autoal.humans.answers import Refused
from autoal.humans.place import Place
from autoal.humans.queries import Asked
from autoal.humans.standing import Standing
from autoal.rundir.names import QUERIES

COLUMNS = ("query", "id", "label", "annotator", "skip", "note")
METADATA = ("file_name", "autoal_id", "autoal_query", "rank", "score", "suggestion", "label")
FORMATS = ("jsonl", "csv", "imagefolder")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Given = tuple[list[dict[str, Any]], list[str]]
"""Answers, and where each stands."""


def write_query(place: Place, standing: Standing, kind: str, out: Path | None) -> Path:
    """Write what is still open of a query as a file for another tool; writing it again gives the same file.

    Args:
        place: The run.
        standing: How far the query is.
        kind: One of :data:`FORMATS`.
        out: The file or folder; None: in ``queries/`` of the run directory.

    Returns:
        The file or folder written.

    Raises:
        AutoALError: If it can't be written.
    """
    query = standing.query
    base = place.run_dir / QUERIES / query.query
    todo = [*standing.open, *standing.disputed]
    if kind == "imagefolder":
        return _write_folder(place, standing, todo, out or base)
    path = out or base.with_suffix(f".{kind}")
    with atomic_open(path) as file:
        if kind == "jsonl":
            for asked in todo:
                line = {"run": query.run, "query": query.query, **asdict(asked)}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        else:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for asked in todo:
                writer.writerow([query.query, safe(asked.id), "", "", "", ""])
    return path


def _write_folder(place: Place, standing: Standing, todo: Sequence[Asked], out: Path) -> Path:
    """Put the images side by side, with a ``metadata.csv`` to fill in."""
    rows = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for asked in todo:
            source = place.file(asked.id)
            name = f"{asked.rank:05d}{source.suffix.lower()}"
            link_or_copy(source, out / name)
            rows.append(
                [name, asked.id, standing.query.query, asked.rank, asked.score, asked.suggestion or "", ""],
            )
    except OSError as error:
        raise AutoALError(f"cannot write {out}: {reason(error)}") from error
    with atomic_open(out / "metadata.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(METADATA)
        writer.writerows([[safe(v) if isinstance(v, str) else v for v in row] for row in rows])
    return out


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has none to give."""
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def read_answers(path: Path, annotator: str) -> Given:
    """Read a file of answers, or a folder.

    A CSV file has the columns ``id`` and ``label``; a row with an empty label and an empty ``skip`` is no answer.
    A folder has a ``metadata.csv`` with ``autoal_id`` and ``label``, or one folder of images per class.

    Args:
        path: A ``.csv`` or ``.jsonl`` file, or a folder.
        annotator: Who answers where the file does not say.

    Raises:
        Refused: If it can't be read as one of these.
    """
    try:
        if path.is_dir():
            found = list(_from_folder(path))
            tool = "imagefolder"
        elif path.suffix.lower() == ".jsonl":
            found, tool = list(_from_jsonl(path)), "jsonl"
        elif path.suffix.lower() == ".csv":
            found, tool = list(_from_csv(path)), "csv"
        else:
            raise Refused(f"{path} is no .csv or .jsonl file and no folder")
    except FileNotFoundError as error:
        raise Refused(f"no {path}") from error
    except OSError as error:
        raise Refused(f"cannot read {path}: {reason(error)}") from error
    except (UnicodeDecodeError, csv.Error, RecursionError) as error:
        raise Refused(f"{path} is not a text file in UTF-8 as it should be: {error}") from error
    answers = [{"tool": tool, **a, "annotator": a.get("annotator") or annotator} for a, _ in found]
    return answers, [where for _, where in found]


def _from_jsonl(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        where = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise Refused(f"{where} is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refused(f"{where} is no JSON object")
        if value.get("action") or value.get("label"):
            yield {**value, "tool": value.get("tool") or "jsonl"}, where


def _from_csv(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    for row, where in _rows(path, ("id", "label")):
        answer = {"id": unsafe(row["id"]), "query": row.get("query") or None, "annotator": row.get("annotator")}
        yield from _filled(answer, row, where)


def _rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[dict[str, str], str]]:
    # utf-8-sig: spreadsheets put a byte-order mark before the first column's name.
    with path.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        for name in needed:
            if name not in columns:
                raise Refused(f"{path} has no column '{name}'; it has: {', '.join(columns) or 'nothing'}")
        for row in reader:
            where = f"{path} row {reader.line_num}"
            if None in row:
                raise Refused(f"{where} has more cells than the header")
            yield {k: (v or "").strip() for k, v in row.items()}, where


def _filled(answer: Mapping[str, Any], row: Mapping[str, str], where: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the answer of a row, if it has one."""
    label, skip = unsafe(row.get("label", "")), row.get("skip", "").lower()
    if label and skip not in ("", "0", "no", "false"):
        raise Refused(f"{where} has a label and a skip")
    if label:
        yield {**answer, "action": "label", "label": label}, where
    elif skip not in ("", "0", "no", "false"):
        why = skip if skip in ("unsure", "none_of_these", "broken") else None
        yield {**answer, "action": "skip", "reason": why}, where


def unsafe(text: str) -> str:
    """Undo :func:`safe`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _from_folder(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    rows = list(_rows(path / "metadata.csv", ("file_name", "autoal_id", "label")))
    item = {row["file_name"]: row for row, _ in rows}
    for row, where in rows:
        answer = {"id": unsafe(row["autoal_id"]), "query": row.get("autoal_query") or None}
        yield from _filled(answer, row, where)
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")):
        for file in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
            row_ = item.get(file.name)
            if row_ is None:
                raise Refused(f"{file} does not stand in {path / 'metadata.csv'}")
            answer = {"id": unsafe(row_["autoal_id"]), "query": row_.get("autoal_query") or None}
            yield {**answer, "action": "label", "label": folder.name}, str(file)
