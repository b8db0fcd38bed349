"""The strategies that train something of their own, or choose among others, against random sampling.

python -m experiments.baselines_study.run --settings digits              # no download
python -m experiments.baselines_study.run -- paths.data_dir=data         # digits and MNIST
python -m experiments.baselines_study.run --collect                      # write results from what there is

Its runs are those of ``digits_study`` and ``mnist_study``. Every run is kept, and a second
call goes on where the first one stopped.
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from experiments import tables
from experiments.small import DIGITS, MNIST, RUNS, part

HERE = Path(__file__).resolve().parent
STRATEGIES = (
    *("random", "ddu", "ceal", "loss_prediction", "waal", "albl", "tailor", "ensemble_var_ratio"),
    *("uncertaingcn", "coregcn", "vaal"),
)
SETTINGS = [part(DIGITS, STRATEGIES), part(MNIST, STRATEGIES)]

if __name__ == "__main__":
    if main(HERE, SETTINGS, runs=RUNS):
        tables.main([HERE.name])
