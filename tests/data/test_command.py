"""``autoal data``: finds, verifies and describes; errors are one line and exit status 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoal.commands.main import main
from tests.data.formats import WRITERS


def test_describes_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS["waterbirds"](tmp_path)
    assert main(["data", "waterbirds", "size=16", "verify=false", "--root", str(tmp_path), "--check"]) == 0
    out = capsys.readouterr().out
    assert f"waterbirds: in {tmp_path}/waterbird_complete95_forest2water2" in out
    assert "8 train, 4 val, 4 test; 2 classes; samples 3x16x16" in out
    assert "Sagawa" in out


def test_a_dataset_of_a_dependency_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "digits"]) == 0
    assert "nothing to fetch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mnits"], "unknown dataset 'mnits'. Did you mean 'mnist'?"),
        (["mnist", "--check"], "autoal data mnist --root"),
        (["mnist", "size=3"], "size"),
        (["image_folder"], "dataset.path needs a value"),
    ],
)
def test_errors_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *words, "--root", str(tmp_path)]) == 1
    err = capsys.readouterr().err.strip()
    assert err.startswith("error: ")
    assert message in err
    assert "\n" not in err
