"""What a run and a report write has the mode that the umask gives: a group that shares a folder can read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import autoal
from autoal.analysis.report import make_report


@pytest.fixture(params=[0o002, 0o027], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.slow
def test_every_file_has_the_mode_of_the_umask(umask: int, tmp_path: Path) -> None:
    run = autoal.experiment(
        dataset="digits",
        strategy="random",
        loop={"n_init": 20, "n_query": 10, "n_rounds": 1, "epochs": 1},
        trainer="cpu",
        logger=["csv", "tensorboard"],
        run_dir=tmp_path / "runs" / "first",
    )
    run.run()
    make_report([tmp_path / "runs"], tmp_path / "report")
    paths = [p for top in ("runs", "report") for p in (tmp_path / top, *(tmp_path / top).rglob("*"))]
    assert {"last.ckpt", "ledger.jsonl", "curve.png", "summary.json", "report.html"} <= {p.name for p in paths}
    for path in paths:
        wanted = (0o777 if path.is_dir() else 0o666) & ~umask
        assert oct(path.stat().st_mode & 0o777) == oct(wanted), path.relative_to(tmp_path)
