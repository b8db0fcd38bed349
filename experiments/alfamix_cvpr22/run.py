"""ALFA-Mix's settings: its nine methods and random, five seeds.

python -m experiments.alfamix_cvpr22.run --settings mnist_mlp -- paths.data_dir=data
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import experiments, main
from autoal.run.study_runs import Setting
from experiments import tables

HERE = Path(__file__).resolve().parent

METHODS: tuple[str | tuple[str, ...], ...] = (
    *("random", "entropy", "bald", "kcenter", "badge", "cdal", "alfamix"),
    # The form of the published README's command.
    ("alfamix_alpha_opt", "strategy=alfamix", "strategy.mode=alpha_opt", "strategy.alpha_cap=0.03125"),
    *("coregcn", "adversarial_deepfool"),
)
SETTINGS = [
    Setting(name, (f"+experiment={HERE.name}/{name}",), METHODS, (1, 10, 100, 1000, 10000))
    for name in experiments(HERE.name)
]

if __name__ == "__main__":
    if main(HERE, SETTINGS):
        tables.main([HERE.name])
