"""All strategies on MNIST in ALFA-Mix's setting with an MLP, 100 + 10 x 100 labels, five paired seeds.

python -m experiments.mnist_study.run -- paths.data_dir=data              # run, then write results and tables
python -m experiments.mnist_study.run --jobs 2 -- paths.data_dir=data     # in two processes
python -m experiments.mnist_study.run --strategies random margin --seeds 1
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from experiments import tables
from experiments.digits_study import seeds_needed
from experiments.small import MNIST, RUNS

HERE = Path(__file__).resolve().parent

SETTINGS = [MNIST]

if __name__ == "__main__":
    if main(HERE, SETTINGS, runs=RUNS):
        tables.main([])  # the studies' texts refer to each other
        seeds_needed.main()
