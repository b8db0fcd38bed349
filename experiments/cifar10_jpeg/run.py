"""CIFAR-10 kept as JPEG files: AutoAL's budget with ResNet-18 on a GPU, and a small version for a CPU.

python -m experiments.cifar10_jpeg.run --settings gpu -- paths.data_dir=data    # 2,000 + 8 x 1,000 labels
python -m experiments.cifar10_jpeg.run --settings cpu -- paths.data_dir=data    # 500 + 5 x 250 labels
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from experiments import tables

HERE = Path(__file__).resolve().parent

STRATEGIES = (
    *("random", "margin", "badge", "kcenter", "alfamix", "diverse_minibatch"),
    *("autoal_equal", "loss_prediction", "autoal", "autoal_paper"),
)
SETTINGS = [
    Setting(
        name="gpu",
        overrides=("+experiment=cifar10_jpeg/resnet18", "trainer=gpu"),
        strategies=STRATEGIES,
        seeds=(0, 1, 2, 3, 4),
    ),
    Setting(
        name="cpu",
        overrides=("+experiment=cifar10_jpeg/small_cnn", "trainer=cpu"),
        strategies=STRATEGIES,
        seeds=(0, 1, 2),
    ),
]

if __name__ == "__main__":
    if main(HERE, SETTINGS):
        tables.main([HERE.name])
