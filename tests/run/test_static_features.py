"""Features that stay the same over all rounds, beside a classifier that trains on pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autoal.errors import AutoALError
from autoal.run.experiment import Experiment
from tests.composed import composed
from tests.faults import lives


def experiment(run_dir: Path, *overrides: str, resume: bool = False) -> Experiment:
    config = composed(*lives.TINY, "strategy=wide_herding", *overrides)
    return Experiment.build(config, run_dir, resume=resume)


def bought(run_dir: Path) -> list[int]:
    return [json.loads(line)["id"] for line in (run_dir / "ledger.jsonl").read_text().splitlines()]


def test_static_features_decide_while_pixels_train(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(1200, 6)).astype(np.float16)
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f" / "train_features.npy", rows)
    static = ("strategy.features=static", f"features={tmp_path / 'f'}")
    for name, overrides in {"pixels": (), "static": static}.items():
        experiment(tmp_path / name, *overrides).run()
    own, other = bought(tmp_path / "pixels"), bought(tmp_path / "static")
    assert own[:21] == other[:21]
    assert own != other
    recipes = [json.loads((tmp_path / n / "summary.json").read_text())["recipe"] for n in ("pixels", "static")]
    assert recipes[0] != recipes[1]


def test_other_features_end_a_resume_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    rows = np.random.default_rng(0).normal(size=(1200, 6)).astype(np.float32)
    np.save(tmp_path / "f" / "train_features.npy", rows)
    overrides = ("strategy.features=static", f"features={tmp_path / 'f'}", "loop.n_rounds=1")
    experiment(tmp_path / "run", *overrides).run()
    np.save(tmp_path / "f" / "train_features.npy", rows + 1)
    with pytest.raises(AutoALError, match="started with other data"):
        experiment(tmp_path / "run", *overrides, resume=True).run(resume=True)


def test_static_features_that_are_not_there_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match="autoal embed digits --out DIR"):
        experiment(tmp_path / "run", "strategy.features=static")
    assert not (tmp_path / "run").exists()
