"""All strategies on the embedded digits with the default loop, ten paired seeds.

python -m experiments.digits_study.run            # run what is missing, then write results and tables
python -m experiments.digits_study.run --collect  # write results and tables from what there is
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from experiments import tables
from experiments.digits_study import seeds_needed
from experiments.small import DIGITS, RUNS

HERE = Path(__file__).resolve().parent

SETTINGS = [DIGITS]

if __name__ == "__main__":
    if main(HERE, SETTINGS, runs=RUNS):
        tables.main([])  # the studies' texts refer to each other
        seeds_needed.main()
