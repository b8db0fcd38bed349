"""The tables and pictures of the semi-supervised study, on results whose answers are known."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.experiments.load import script

report, curves = script("semi_supervised_study/report"), script("semi_supervised_study/curves")
GAIN = {"random": 0.0, "margin": 0.1}
BASE = {"supervised": 0.5, "fixmatch": 0.7}


def write(study: Path, setting: str, accs: dict[str, float], per_seed: float = 0.0) -> None:
    """Write runs of three rounds and the seeds 10 and 11, each of one accuracy throughout."""
    rows = [
        {
            "strategy": strategy,
            "seed": seed,
            "recipe": "0a",
            "round": i,
            "n_labeled": 40 + 40 * i,
            "test_acc": acc + per_seed * seed,
        }
        for strategy, acc in accs.items()
        for seed in (10, 11)
        for i in range(3)
    ]
    pd.DataFrame(rows).to_csv(study / "results" / f"{setting}.csv", index=False)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Margin is worth 10 points under supervised training and, of 20 that FixMatch is worth, 5 under FixMatch."""
    (tmp_path / "results").mkdir()
    for training, base in BASE.items():
        gains = {strategy: gain * (0.5 if training == "fixmatch" else 1.0) for strategy, gain in GAIN.items()}
        write(tmp_path, f"digits_{training}", {strategy: base + gain for strategy, gain in gains.items()}, 0.01)
    monkeypatch.setattr(report, "HERE", tmp_path)
    return tmp_path


def cells(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_what_the_choice_adds_is_paired_under_each_training(study: Path) -> None:
    found = cells(report.pays())
    assert found["setting, training"] == ["random", "random - supervised", "margin - random"]
    assert found["digits, supervised"][1:] == ["", "+10.00 [+10.00, +10.00]"]
    assert found["digits, fixmatch"][1:] == ["+20.00 [+20.00, +20.00]", "+5.00 [+5.00, +5.00]"]


def test_every_strategy_under_every_training(study: Path) -> None:
    lines = report.study("digits").splitlines()
    assert len(lines) == 2 + 4
    assert lines[-1].split(" | ")[1:] == [
        *("margin", "2", "85.50 ± 0.71", "85.50 ± 0.71"),
        *("+5.00 [+5.00, +5.00]", "+5.00 [+5.00, +5.00]", "+15.00 [+15.00, +15.00] |"),
    ]
    assert report.study("mnist") == "No run of `mnist` yet."


def test_a_picture_has_a_panel_per_training(study: Path) -> None:
    frames = {t: pd.read_csv(study / "results" / f"digits_{t}.csv") for t in BASE}
    curves.draw(frames, study / "one.png")
    curves.draw(dict(list(frames.items())[:1]), study / "half.png")
    assert (study / "one.png").read_bytes()[:4] == b"\x89PNG"
    one, half = (int.from_bytes((study / f"{n}.png").read_bytes()[16:20], "big") for n in ("one", "half"))
    assert half < one
    curves.draw({}, study / "none.png")
    assert not (study / "none.png").exists()


def test_a_picture_is_of_the_seeds_that_all_have(study: Path) -> None:
    frames = {t: pd.read_csv(study / "results" / f"digits_{t}.csv") for t in BASE}
    curves.draw(frames, study / "both.png")
    late = pd.concat([frames["fixmatch"], frames["fixmatch"].iloc[:3].assign(seed=12, test_acc=0.1)])
    curves.draw(frames | {"fixmatch": late}, study / "late.png")
    assert (study / "late.png").read_bytes() == (study / "both.png").read_bytes()


def test_cached_views_are_compared_with_noise_and_with_supervised_training(study: Path) -> None:
    assert report.views() == "No run with cached views yet."
    for name, acc in {"supervised": 0.5, "fixmatch_noise": 0.6, "fixmatch_cached": 0.68}.items():
        write(study, f"cifar10_views_{name}", {"random": acc, "autoal": acc + 0.02})
    lines = [line.strip("| ").split(" | ") for line in report.views().splitlines()[2:]]
    gain = "+2.00 [+2.00, +2.00]"
    assert lines[1] == ["fixmatch", "noise", "2", "60.00 ± 0.00", gain, "+10.00 [+10.00, +10.00]"]
    assert lines[2][3:] == ["68.00 ± 0.00", gain, "+18.00 [+18.00, +18.00]", "+8.00 [+8.00, +8.00]"]
