"""Small pictures of what was bought, round by round, where the samples are image files that are still there."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autoal.analysis.runs import Run
from autoal.analysis.settings import Setting
from autoal.rundir import names

__all__ = ["Album", "albums", "thumbnail"]

SIDE = 72
"""Pixels of the longer side."""
PER_ROUND = 24
MOST_ROUNDS = 12
MOST_STRATEGIES = 8


@dataclass(frozen=True)
class Album:
    """One round's pictures.

    Attributes:
        label: What they are: round and number of labels.
        pictures: Data address and words of each; the first ones in the order of the purchase.
    """

    label: str
    pictures: list[tuple[str, str]]


def albums(setting: Setting) -> dict[str, list[Album]]:
    """Return the pictures of each strategy's first run.

    Args:
        setting: The setting.

    Returns:
        Strategy to its rounds, the last twelve; strategies without image files are left out.
    """
    found = {}
    for name in setting.strategies[:MOST_STRATEGIES]:
        rounds = _rounds(setting.runs[name][0])
        if any(b.pictures for b in rounds):
            found[name] = rounds
    return found


def _rounds(run: Run) -> list[Album]:
    folder = _folder(run.path)
    lines = _ledger(run.path)
    if folder is None or not lines:
        return []
    rounds: dict[int, list[Mapping[str, Any]]] = {}
    for line in lines:
        if line.get("source") in ("init", "query"):
            rounds.setdefault(int(line["round"]), []).append(line)
    chosen = sorted(rounds)[-MOST_ROUNDS:]
    return [Album(_label(r, rounds[r]), _pictures(folder, rounds[r][:PER_ROUND])) for r in chosen]


def _label(round_: int, lines: Sequence[Mapping[str, Any]]) -> str:
    what = f"Round {round_}: {len(lines)} labels"
    return what if len(lines) <= PER_ROUND else f"{what}, the first {PER_ROUND}"


def _pictures(folder: Path, lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    found = []
    for line in lines:
        address = thumbnail(folder, str(line["path"]))
        if address is not None:
            found.append((address, f"{line.get('class', line['label'])}: {line['path']}"))
    return found


def thumbnail(folder: Path, name: str) -> str | None:
    """Return an image as a small JPEG in a data address.

    Args:
        folder: The data set's folder.
        name: The image's path below it.

    Returns:
        The address; None where there is no such image below the folder (a ledger may be anybody's).
    """
    from PIL import Image

    from autoal.data.images import FORMATS

    path, out = folder / name, io.BytesIO()
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return None
        with Image.open(path, formats=FORMATS) as file:
            file.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = file.convert("RGB")
            small.thumbnail((SIDE, SIDE))
            small.save(out, "JPEG", quality=72)
    except Exception:  # Pillow raises whatever the damaged bytes lead to
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def _folder(run_dir: Path) -> Path | None:
    """Return where a run's images were."""
    try:
        config = yaml.safe_load((run_dir / names.CONFIG).read_text(encoding="utf-8"))
        return Path(config["paths"]["data_dir"]) / Path(str(config["dataset"]["path"])).expanduser()
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


def _ledger(run_dir: Path) -> list[Mapping[str, Any]]:
    """Return the lines of a ledger that names files; none where it can't be read, which is said elsewhere."""
    try:
        raw = (run_dir / names.LEDGER).read_text(encoding="utf-8")
        if '"path"' not in raw[:4000]:
            return []
        lines = [json.loads(line) for line in raw[: raw.rfind("\n")].splitlines()]
        return [line for line in lines if isinstance(line.get("path"), str)]
    except (OSError, ValueError, AttributeError):
        return []
