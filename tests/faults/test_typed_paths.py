"""Paths on the command line: as typed, as completed by a shell, and as the program prints them."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from autoal.config.arguments import quote_paths
from tests.faults import lives
from tests.faults.shell import Shell, completed

ODD = ("runs/a=1", "a,b", "a b", " a", "a ", "it's", 'say "hi"', "[a]", "a[1]", "{a}", "(a)", "ü=ß", "日本", "1e3")
ODD += (
    "007",
    "a:b#c",
    "~x",
    "a&b;c|d*?",
    "choice(a,b)",
    "glob(*)",
    "'a",
    '"a"b',
    "a'b,c=d",
    "back\\slash=1",
    "x\\",
)

ANY_NAME = st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=20)


def taken(words: list[str]) -> list[object]:
    """Return the values that Hydra takes from the last word: one, or those of a sweep."""
    override = OverridesParser.create().parse_override(quote_paths(words)[-1])
    if override.is_sweep_override():
        return [value.strip("'") for value in override.sweep_string_iterator()]
    return [override.value()]


@pytest.mark.parametrize("raw", ODD)
@pytest.mark.parametrize("key", ["resume", "paths.run_dir", "++paths.data_dir", "dataset.path", "hydra.sweep.dir"])
def test_a_raw_path_is_that_path(key: str, raw: str) -> None:
    assert taken([f"{key}={raw}"]) == [raw]
    again = quote_paths([f"{key}={raw}"])
    assert quote_paths(again) == again, "quoted once, quoted for good"


@given(ANY_NAME)
def test_the_name_of_a_folder_that_exists_is_that_folder(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.mktemp("odd")
    try:
        (root / name / "x").mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # no name on this file system
    for words in ([], ["-m"]):
        path = f"{root}/{name}/x"
        assert taken([*words, f"resume={path}"]) in ([path], [path.replace("${", "\\${")])


def test_what_hydra_means_by_a_value_stays() -> None:
    for word in (
        "resume=null",
        "paths.data_dir=${oc.env:HOME}/x",
        "dataset.path='a=b'",
        "backbone.pretrained=true",
    ):
        assert quote_paths([word]) == [word]
    assert quote_paths(["paths.data_dir=${oc.env:HOME}/x=1"]) == ["paths.data_dir='${oc.env:HOME}/x=1'"]
    assert quote_paths(["resume=a\\=b"]) == ["resume=a\\=b"], "escaped by hand, as Hydra's manual says"
    for word in ("strategy=random,margin", "dataset=digits", "--help", "loop.milestones=[1,2]", "~logger"):
        assert quote_paths([word]) == [word], "no path"


def test_a_comma_sweeps_in_a_multirun_unless_a_file_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert taken(["-m", "dataset.path=a,b"]) == ["a", "b"]
    assert taken(["--multirun", "dataset.path=a=1,b"]) == ["a=1", "b"]
    assert taken(["-m", "dataset.path='a,b'"]) == ["a,b"]
    assert taken(["dataset.path=a,b"]) == ["a,b"]
    (tmp_path / "a,b").touch()
    assert taken(["-m", "dataset.path=a,b"]) == ["a,b"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "c,d").touch()
    assert taken(["-m", "dataset.path=c,d"]) == ["c,d"], "below paths.data_dir"


@pytest.mark.slow
def test_printed_and_completed_commands_continue_a_run(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "a folder")
    where = "runs of ü, [x] {y} 'z'/seed=0"
    settings = (*lives.TINY, "loop.n_rounds=40", "strategy=margin", f"paths.run_dir={where}")
    first = shell.run(f"python train.py {shlex.join(settings)}")
    assert first.wait_for_start(), first.text
    lives.wait_for(lambda: (first.run_dir / "checkpoints" / "last.ckpt").exists())
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(60) == 130, first.text
    assert first.run_dir == shell.folder / where
    printed = first.text.rpartition("stopped by SIGINT; continue with: ")[2].strip()
    second = shell.run(printed)
    assert second.wait_for_start(), second.text
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(60) == 143, second.text
    assert json.loads((first.run_dir / "summary.json").read_text())["message"] == f"continue with: {printed}"
    third = shell.run(f"python train.py resume={completed(Path(where))}")
    assert third.process.wait(300) == 0, third.text
    assert json.loads((first.run_dir / "summary.json").read_text())["status"] == "finished"
    refused = shell.run(f"python train.py {shlex.join(settings)}")
    assert refused.process.wait(60) == 1
    assert f"already holds a run; continue it with: {printed} (or" in refused.text
