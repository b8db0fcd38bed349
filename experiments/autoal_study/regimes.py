"""The default's query rule in other regimes: large batches, a long tail, static features, a convolutional network.

python -m experiments.autoal_study.regimes --jobs 2 --missing -- paths.data_dir=DATA

Every arm of :data:`ARMS` starts from the same labels and weights for a seed. The feature files are those of
``experiments/foundation_study``; static features of the digits are made by
``autoal embed digits backbone=torchvision backbone.model=mobilenet_v2 backbone.pretrained=WEIGHTS --size 64 --out
DATA/digits-mobilenet_v2`` with ImageNet's weights.
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from experiments.autoal_study import rivals
from experiments.autoal_study.run import FIXED

HERE = Path(__file__).resolve().parent

ARMS = ("random", "margin", "diverse_minibatch", "uherding", "wide_herding", "autoal", "autoal_equal", FIXED)
FEW = ("random", "margin", "wide_herding", "autoal")
STATIC = (
    ("uherding_static", "strategy=uherding", "strategy.features=static"),
    ("wide_herding_static", "strategy=wide_herding", "strategy.features=static"),
    ("autoal_static", "strategy=autoal", "strategy.query_features=static"),
)
LARGE = ("loop.n_query=100", "loop.n_rounds=10")
TAIL = ("dataset.imbalance=50",)
LINEAR = "+experiment=foundation_study"
SEEDS = tuple(range(5))
SETTINGS = [
    Setting("cifar10_jpeg_100", (f"{LINEAR}/cifar10_jpeg", "trainer=cpu", *LARGE), ARMS, SEEDS),
    Setting("trec6_100", (f"{LINEAR}/trec6", "trainer=cpu", *LARGE), ARMS, SEEDS),
    Setting("cifar10_jpeg_tail", (f"{LINEAR}/cifar10_jpeg", "trainer=cpu", *TAIL), ARMS, SEEDS),
    Setting("digits_tail", ("+experiment=autoal_study/digits", "trainer=cpu", *TAIL), ARMS, SEEDS),
    Setting(
        "digits_static",
        ("+experiment=autoal_study/digits", "trainer=cpu", "features=digits-mobilenet_v2"),
        ("random", "margin", "uherding", "wide_herding", "autoal", *STATIC),
        SEEDS,
    ),
    Setting(
        "mnist_small_cnn",
        (
            *("+experiment=autoal_study/mnist", "backbone=small_cnn", "trainer=cpu"),
            *("dataset.n_train=5000", "loop.n_rounds=5"),
        ),
        FEW,
        SEEDS[:3],
    ),
]

if __name__ == "__main__" and main(HERE, SETTINGS):
    rivals.main()
