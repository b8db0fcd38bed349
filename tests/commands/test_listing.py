"""``autoal list`` is quick, narrow, and says what the classes say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autoal.commands.listing import INDEX, KINDS, as_json, strategy_rows
from autoal.commands.main import main
from autoal.config.command_line import choices

GROUPS = dict(zip(KINDS, ("strategy", "dataset", "backbone", "experiment"), strict=True))


def test_the_index_of_strategies_is_up_to_date() -> None:
    hint = "run python -m experiments.readme"
    assert INDEX.read_text(encoding="utf-8") == as_json(strategy_rows()), hint


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_is_listed_in_80_columns(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--long"]):
        assert main(["list", kind, *options]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        assert {line.split()[0] for line in lines if line} >= set(choices(GROUPS[kind]))


def test_venues_are_listed_and_papers_with_long(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(INDEX.read_text(encoding="utf-8"))
    assert {row["name"] for row in rows if not (row["paper"] and row["venue"])} == {"random", "wide_herding"}
    printed = {}
    for options in ([], ["--long"]):
        assert main(["list", "strategies", *options]) == 0
        printed[bool(options)] = "".join(capsys.readouterr().out.split())
    for row in rows:
        if row["venue"]:
            short, long = f"{row['summary']} [{row['venue']}]", f"{row['paper']}, {row['venue']}"
            assert short.replace(" ", "") in printed[False], row["name"]
            assert long.replace(" ", "") in printed[True], row["name"]


@pytest.mark.parametrize("kind", KINDS)
def test_json_holds_every_choice_and_its_summary(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == choices(GROUPS[kind])
    if kind != "backbones":
        assert all(row["summary"] for row in rows)


@pytest.mark.parametrize("words", [["list", kind] for kind in KINDS] + [["train", "--cfg", "job"], ["--help"]])
def test_nothing_heavy_is_imported(words: list[str], root: Path) -> None:
    """What answers at once imports no torch: it alone takes seconds of CPU."""
    code = (
        "import sys; from autoal.commands.main import main; main(sys.argv[1:])\n"
        "heavy = {'torch', 'lightning', 'pandas', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_a_users_own_strategy_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf" / "strategy").mkdir(parents=True)
    (tmp_path / "conf" / "strategy" / "mine.yaml").write_text("# Mine: the best.\nname: margin\n")
    (tmp_path / "conf" / "strategy" / "margin.yaml").write_text("# Not taken: AutoAL's own comes first.\n")
    monkeypatch.chdir(tmp_path)
    assert main(["list", "strategies"]) == 0
    out = capsys.readouterr().out
    assert "mine" in out
    assert "Mine: the best" in out
    assert "Not taken" not in out
