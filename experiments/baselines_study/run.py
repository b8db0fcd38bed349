"""The strategies that train something of their own, or choose among others, against random sampling.

python experiments/baselines_study/run.py --settings digits              # no download
python experiments/baselines_study/run.py -- paths.data_dir=data         # digits and MNIST
python experiments/baselines_study/run.py --collect                      # write results from what there is

Its runs are those of ``digits_study`` and ``mnist_study``. Every run is kept, and a second
call goes on where the first one stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

from autoal.run.study import main

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from small import DIGITS, MNIST, RUNS, part  # noqa: E402

STRATEGIES = (
    *("random", "ddu", "ceal", "loss_prediction", "waal", "albl", "tailor", "ensemble_var_ratio"),
    *("uncertaingcn", "coregcn", "vaal"),
)
SETTINGS = [part(DIGITS, STRATEGIES), part(MNIST, STRATEGIES)]

if __name__ == "__main__":
    import tables

    if main(HERE, SETTINGS, runs=RUNS):
        tables.main([HERE.name])
