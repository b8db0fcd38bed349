"""All strategies on MNIST in ALFA-Mix's setting with an MLP, 100 + 10 x 100 labels, five paired seeds.

python experiments/mnist_study/run.py -- paths.data_dir=data              # run, then write results and tables
python experiments/mnist_study/run.py --jobs 2 -- paths.data_dir=data     # in two processes
python experiments/mnist_study/run.py --strategies random margin --seeds 1
"""

from __future__ import annotations

import sys
from pathlib import Path

from autoal.run.study import main

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "digits_study")]

from small import MNIST, RUNS  # noqa: E402

SETTINGS = [MNIST]

if __name__ == "__main__":
    import seeds_needed
    import tables

    if main(HERE, SETTINGS, runs=RUNS):
        tables.main([])  # the studies' texts refer to each other
        seeds_needed.main()
