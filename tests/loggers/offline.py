"""Reads W&B's offline files back."""

from __future__ import annotations

import importlib
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


def records(path: Path) -> Iterator[Any]:
    """Parse a ``.wandb`` file: a LevelDB log (blocks of 32 KiB, CRC/length/type headers) of protobuf records."""
    pb: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    data, block, at, parts = path.read_bytes(), 32768, 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        if kind == 0 or at + 7 + length > len(data):
            return
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = pb.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def written(path: Path) -> list[Any]:
    """Return the records of an ended run; W&B's service writes them a moment after ``finish`` has returned."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        found = list(records(path))
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} never got its end")


class Part(NamedTuple):
    """One offline file: the run's id, its config, steps and rows of its history, and all records."""

    id: str
    config: dict[str, Any]
    steps: list[int]
    rows: list[dict[str, Any]]
    records: list[Any]

    @property
    def hidden(self) -> set[str]:
        """Names and globs of metrics that the dashboard draws no panel for."""
        return {
            r.metric.name or r.metric.glob_name
            for r in self.records
            if r.HasField("metric") and r.metric.options.hidden
        }

    @property
    def panels(self) -> set[str]:
        """Names that a fresh dashboard draws: every logged key that is not hidden."""
        found = set()
        for record in self.records:
            if record.WhichOneof("record_type") == "history":
                found |= {i.key or i.nested_key[0] for i in record.history.item}
        inner = {name for name in found if name.startswith("_")}
        return {n for n in found - inner if not any(n == h or n.startswith(h.rstrip("*")) for h in self.hidden)}


def parts(run_dir: Path) -> list[Part]:
    """Return the ended offline parts in a run directory, oldest first."""
    found = []
    for path in sorted((run_dir / "wandb").glob("offline-run-*/*.wandb")):
        ids, config, steps, rows, everything = set(), {}, [], [], written(path)
        for record in everything:
            kind = record.WhichOneof("record_type")
            if kind == "run":
                ids.add(record.run.run_id)
                config.update({u.key: json.loads(u.value_json) for u in record.run.config.update})
            if kind == "config":
                config.update({u.key: json.loads(u.value_json) for u in record.config.update if u.key})
            if kind == "history":
                steps.append(record.history.step.num)
                items = {("/".join(i.nested_key) or i.key): json.loads(i.value_json) for i in record.history.item}
                rows.append(items)
        (own,) = ids
        found.append(Part(own, config, steps, rows, everything))
    return found
