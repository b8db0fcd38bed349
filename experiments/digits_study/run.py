"""All strategies on the embedded digits with the default loop, ten paired seeds.

python experiments/digits_study/run.py            # run what is missing, then write results and tables
python experiments/digits_study/run.py --collect  # write results and tables from what there is
"""

from __future__ import annotations

import sys
from pathlib import Path

from autoal.run.study import main

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from small import DIGITS, RUNS  # noqa: E402

SETTINGS = [DIGITS]

if __name__ == "__main__":
    import seeds_needed
    import tables

    if main(HERE, SETTINGS, runs=RUNS):
        tables.main([])  # the studies' texts refer to each other
        seeds_needed.main()
