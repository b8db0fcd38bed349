"""Supervised against semi-supervised training, each with random and with chosen samples, in pairs.

python -m experiments.semi_supervised_study.run                                   # run what is missing
python -m experiments.semi_supervised_study.run --settings digits_40_supervised   # one setting
python -m experiments.semi_supervised_study.run --collect                         # tables from what there is
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from experiments.semi_supervised_study import report

HERE = Path(__file__).resolve().parent

STRATEGIES = ("random", "margin", ("uherding", "strategy.features=classifier"), "autoal")
# A round has some thousand steps or less: averages over a thousand would still be at their start.
SHORT = ("training.ema=0.99",)
CLAIMS = tuple(range(10, 20))
"""Network, steps and views were chosen on smaller seeds."""
TRAININGS = {
    "supervised": ("training=supervised", *SHORT),
    "fixmatch": ("training=fixmatch", *SHORT),
    "freematch": ("training=freematch", *SHORT, "training.decay=0.99"),
}


def setting(name: str, training: str, seeds: int, start: bool = False) -> Setting:
    """Make the setting of a data set and a training.

    Args:
        name: The data set's experiment file.
        training: A key of :data:`TRAININGS`.
        seeds: How many.
        start: Whether only the initial set is trained on.
    """
    words = (f"+experiment=semi_supervised_study/{name}", "trainer=cpu", *TRAININGS[training])
    if start:
        return Setting(f"{name}_40_{training}", (*words, "loop.n_rounds=0"), ("random",), CLAIMS[:seeds])
    return Setting(f"{name}_{training}", words, STRATEGIES, CLAIMS[:seeds])


SETTINGS = [
    *(setting("digits", training, 10, start=True) for training in TRAININGS),
    *(setting("digits", training, 5) for training in TRAININGS),
    *(setting("cifar10_features", training, 5) for training in TRAININGS),
    *(setting("mnist", training, 5) for training in TRAININGS),
]

if __name__ == "__main__" and main(HERE, SETTINGS):
    report.main()
