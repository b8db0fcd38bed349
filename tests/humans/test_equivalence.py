"""Whoever answers, the run is the same: a scripted person gives ledger, rounds and weights of the simulation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.humans.people import (
    answer_all,
    config,
    outcome,
    run,
    run_with_person,
    write_digits,
    write_manifest,
)


@pytest.mark.parametrize("strategy", ["margin", "badge", "ceal", "albl"])
def test_a_scripted_person_is_the_simulated_oracle(tmp_path: Path, strategy: str) -> None:
    truth = write_digits(tmp_path / "digits")
    write_manifest(tmp_path / "digits", truth)
    simulated = config(
        tmp_path / "digits", f"strategy={strategy}", "oracle.n_test=40", "dataset.manifest=labels.csv"
    )
    assert run(simulated, tmp_path / "simulated")["status"] == "finished"
    asked = config(tmp_path / "digits", f"strategy={strategy}", "oracle=human", "oracle.n_test=40")
    said = run_with_person(asked, tmp_path / "human", lambda: answer_all(tmp_path / "human", truth))
    assert said["status"] == "finished"
    assert outcome(tmp_path / "human") == outcome(tmp_path / "simulated")
    assert said["recipe"] != ""
