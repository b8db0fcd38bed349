"""DeepAL+'s settings: its strategies, three seeds.

python experiments/deepal/run.py --settings mnist -- paths.data_dir=data
"""

from __future__ import annotations

import sys
from pathlib import Path

from autoal.run.study import Setting, main

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

METHODS = (
    *("random", "least_confidence", "margin", "entropy", "least_confidence_mc", "margin_mc", "entropy_mc"),
    *("var_ratio", "mean_std", "bald", "kmeans", "kcenter", "kcenter_pca", "badge", "ceal"),
    *("loss_prediction", "waal", "vaal", "adversarial_deepfool", "adversarial_bim"),
)
SETTINGS = [
    Setting(file.stem, (f"+experiment={HERE.name}/{file.stem}",), METHODS, (0, 1, 2))
    for file in sorted(HERE.glob("*.yaml"))
]

if __name__ == "__main__":
    import tables

    if main(HERE, SETTINGS):
        tables.main([HERE.name])
