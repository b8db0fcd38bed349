"""The strategies that train something of their own, or choose among others, against random sampling.

python experiments/baselines_study/run.py --settings digits              # no download
python experiments/baselines_study/run.py -- paths.data_dir=data         # digits and MNIST
python experiments/baselines_study/run.py --collect                      # write results from what there is

Every run is kept, and a second call goes on where the first one stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

from autoal.study import Setting, main

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

COMMON: tuple[str | tuple[str, ...], ...] = (
    "random",
    "ddu",
    ("ceal", "strategy.threshold=0.01"),
    "loss_prediction",
    "waal",
    "albl",
    "tailor",
    "ensemble_var_ratio",
)
"""At their papers' options, but for CEAL: at 5e-5 nats these networks pseudo-label next to nothing."""

SETTINGS = [
    Setting(
        name="digits",
        # The defaults of conf/: an MLP of 256 units with dropout 0.5, Adam, 40 + 10 x 20 labels.
        overrides=("dataset=digits", "backbone=mlp", "trainer=cpu"),
        strategies=(
            *COMMON,
            "uncertaingcn",
            "coregcn",
            # A sixteenth of the paper's channels and 5 of its 100 epochs: one CPU core trains it.
            ("vaal", "strategy.width=8", "strategy.epochs=5"),
        ),
        seeds=(0, 1, 2),
    ),
    Setting(
        name="mnist",
        overrides=(
            "dataset=mnist",
            "backbone=mlp",
            "trainer=cpu",
            "loop.n_init=100",
            "loop.n_query=100",
            "loop.n_rounds=5",
            "loop.epochs=50",
            "loop.batch_size=64",
        ),
        strategies=(
            *COMMON,
            # A fifth of the paper's subset, for one CPU core.
            ("uncertaingcn", "strategy.subset=2000"),
            ("coregcn", "strategy.subset=2000"),
            ("vaal", "strategy.width=8", "strategy.max_steps=50"),
        ),
        seeds=(0, 1, 2),
    ),
]

if __name__ == "__main__":
    import tables

    if main(HERE, SETTINGS):
        tables.main([HERE.name])
