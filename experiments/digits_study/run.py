"""All strategies on the embedded digits with the default loop, ten paired seeds.

python experiments/digits_study/run.py            # run what is missing, then write results and tables
python experiments/digits_study/run.py --collect  # write results and tables from what there is
"""

from __future__ import annotations

import sys
from pathlib import Path

from autoal.study import Setting, every_strategy, main

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

SETTINGS = [
    Setting(
        name="digits",
        # The defaults of conf/: an MLP of 256 units with dropout 0.5, Adam, 40 + 10 x 20 labels.
        overrides=("dataset=digits", "backbone=mlp", "trainer=cpu"),
        strategies=every_strategy(),
        seeds=tuple(range(10)),
    )
]

if __name__ == "__main__":
    import seeds_needed
    import tables

    if main(HERE, SETTINGS):
        tables.main([])  # the studies' texts refer to each other
        seeds_needed.main()
