"""DeepAL+'s settings: its strategies, three seeds.

python -m experiments.deepal.run --settings mnist -- paths.data_dir=data
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import experiments, main
from autoal.run.study_runs import Setting
from experiments import tables

HERE = Path(__file__).resolve().parent

METHODS = (
    *("random", "least_confidence", "margin", "entropy", "least_confidence_mc", "margin_mc", "entropy_mc"),
    *("var_ratio", "mean_std", "bald", "kmeans", "kcenter", "kcenter_pca", "badge"),
    # The program's numbers.
    ("ceal", "strategy.threshold=5e-5", "strategy.decay=3.3e-7"),
    *("loss_prediction", "waal", "adversarial_deepfool", "adversarial_bim"),
    # Its paper's training, where the defaults are for one CPU core.
    ("vaal", "strategy.epochs=100", "strategy.max_steps=null", "strategy.width=128"),
)
SETTINGS = [
    Setting(name, (f"+experiment={HERE.name}/{name}",), METHODS, (0, 1, 2)) for name in experiments(HERE.name)
]

if __name__ == "__main__":
    if main(HERE, SETTINGS):
        tables.main([HERE.name])
