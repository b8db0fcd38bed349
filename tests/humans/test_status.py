"""``autoal status`` says how far people are."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoal.commands.main import main
from autoal.humans.answers import Desk
from tests.humans.test_sheets import make_run


def test_a_waiting_run_says_how_many_answers_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = make_run(tmp_path)
    Desk(run_dir).take([{"id": "a.png", "label": "duck", "annotator": "ann"}])
    assert main(["status", str(run_dir)]) == 2
    out = capsys.readouterr().out
    assert "waiting" in out
    assert "1 of 4 labelled, 3 missing" in out
