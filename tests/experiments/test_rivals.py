"""The default beside its rivals: what is said of the bars follows from the runs, and the page says it."""

from __future__ import annotations

from pathlib import Path

from experiments import tables
from experiments.autoal_study import rivals


def write(study: Path, setting: str, last: dict[str, list[float]]) -> None:
    """Write runs of two rounds from accuracy 0.5 to the given one; the area is the mean of both."""
    path = study / "results" / f"{setting}.csv"
    path.parent.mkdir(parents=True)
    lines = ["setting,strategy,seed,recipe,round,n_labeled,test_acc"]
    for name, accs in last.items():
        for seed, acc in enumerate(accs):
            lines += [f"{setting},{name},{seed},r,0,10,0.5", f"{setting},{name},{seed},r,1,20,{acc}"]
    path.write_text("\n".join(lines) + "\n")


def test_bars_are_read_from_the_runs(tmp_path: Path) -> None:
    candidates = {name: [0.52, 0.53] for name in tables.CANDIDATES} | {"margin": [0.6, 0.62]}
    good = candidates | {"random": [0.5, 0.5], "autoal": [0.7, 0.72], "uherding": [0.6, 0.72]}
    poor = candidates | {"random": [0.6, 0.6], "autoal": [0.5, 0.51], "uherding": [0.6, 0.61]}
    write(tmp_path / "foundation_study", "a", good)
    write(tmp_path / "digits_study", "b", poor)
    said = rivals.bars(tmp_path / "autoal_study", "foundation_study/a", "digits_study/b", "digits_study/missing")
    assert "a, frozen (2 seeds) | b, network (2 seeds) | mean of the sets" in said
    assert "| autoal − best candidate | +5.00" in said
    assert "on 1 of 2 sets; below on `digits_study/b`" in said
    assert "ahead on 38 % of the seeds" in said  # one win, one tie, two losses
    assert "below random by more than one standard error on `digits_study/b`" in said
    assert "(iii)" not in said, "nobody has learnt anything here"


def test_phases_are_means_over_the_sets_that_have_the_rival(tmp_path: Path) -> None:
    for name, gap in (("a", 0.04), ("b", 0.08)):
        path = tmp_path / name / "results" / f"{name}.csv"
        path.parent.mkdir(parents=True)
        lines = ["setting,strategy,seed,recipe,round,n_labeled,test_acc"]
        for seed in range(2):
            for round_ in range(3):
                lines.append(f"{name},random,{seed},r,{round_},{10 + round_},0.5")
                # Level at first; ahead by the gap in the middle, behind by half of it at the end.
                acc = (0.5, 0.5 + gap, 0.5 - gap / 2)[round_]
                lines.append(f"{name},autoal,{seed},r,{round_},{10 + round_},{acc}")
        path.write_text("\n".join(lines) + "\n")
    said = rivals.phases(tmp_path / "autoal_study", "a/a", "b/b", "b/missing")
    assert "| autoal − random | +0.00 ± 0.00 (2) | +6.00 ± 2.00 (2) | -3.00 ± 1.00 (2) | 50 |" in said
    assert "uherding" not in said


def test_the_page_has_the_tables_of_todays_results() -> None:
    text = rivals.PAGE.read_text(encoding="utf-8")
    assert tables.rewrite(text, rivals.HERE, rivals.KINDS) == text, "python -m experiments.autoal_study.rivals"
