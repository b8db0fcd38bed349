"""ALFA-Mix's settings: its nine methods and random, five seeds.

python experiments/alfamix_cvpr22/run.py --settings mnist_mlp -- paths.data_dir=data
"""

from __future__ import annotations

import sys
from pathlib import Path

from autoal.run.study import Setting, main

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

METHODS: tuple[str | tuple[str, ...], ...] = (
    *("random", "entropy", "bald", "kcenter", "badge", "cdal", "alfamix"),
    # The form of the published README's command.
    ("alfamix_alpha_opt", "strategy=alfamix", "strategy.mode=alpha_opt", "strategy.alpha_cap=0.03125"),
    *("coregcn", "adversarial_deepfool"),
)
SETTINGS = [
    Setting(file.stem, (f"+experiment={HERE.name}/{file.stem}",), METHODS, (1, 10, 100, 1000, 10000))
    for file in sorted(HERE.glob("*.yaml"))
]

if __name__ == "__main__":
    import tables

    if main(HERE, SETTINGS):
        tables.main([HERE.name])
