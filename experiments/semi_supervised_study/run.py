"""Supervised against semi-supervised training, each with random and with chosen samples, in pairs.

python -m experiments.semi_supervised_study.run                                   # run what is missing
python -m experiments.semi_supervised_study.run --settings digits_40_supervised   # one setting
python -m experiments.semi_supervised_study.run --collect                         # tables from what there is
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from experiments.semi_supervised_study import report

HERE = Path(__file__).resolve().parent

Strategies = tuple[str | tuple[str, ...], ...]
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
# Half a standard deviation of features that are not standardised: theirs is 2 in the mean.
NOISE = ("training.strong=[{_target_: autoal.data.noise.FeatureNoise, std: 1.0, drop: 0.2}]",)

# Half a standard deviation of standardised features, although the folder has views.
SHAKEN = (
    "training.strong=[{_target_: autoal.data.noise.FeatureNoise, std: 0.5, drop: 0.2}]",
    "training.weak=[]",
)
FEWER = ("training.ratio=3",)
"""Unlabelled samples per labelled one, where a step of seven times as many takes a CPU a second."""


def setting(name: str, training: str, strategies: Strategies, seeds: int, views: tuple[str, ...] = ()) -> Setting:
    """Make the setting of a data set and a training.

    Args:
        name: The data set's experiment file.
        training: A key of :data:`TRAININGS`.
        strategies: Who chooses the samples.
        seeds: How many.
        views: Overrides that say how unlabelled samples are changed, or how many there are.
    """
    words = (f"+experiment=semi_supervised_study/{name}", "trainer=cpu", *TRAININGS[training])
    if training != "supervised":
        words = (*words, *views)
    return Setting(f"{name}_{training}", words, strategies, CLAIMS[:seeds])


def of_views(training: str, kind: str, views: tuple[str, ...] = ()) -> Setting:
    """Make a setting of the comparison of cached views with noise, at random and by the default."""
    made = setting("cifar10_views", training, ("random", "autoal"), 5, views)
    return replace(made, name=f"cifar10_views_{kind}")


SETTINGS = [
    *(setting("digits_40", training, ("random",), 10) for training in TRAININGS),
    *(setting("digits", training, STRATEGIES, 5) for training in TRAININGS),
    *(setting("cifar10_features", training, STRATEGIES, 5, NOISE) for training in TRAININGS),
    of_views("supervised", "supervised"),
    *(of_views(training, f"{training}_noise", SHAKEN) for training in ("fixmatch", "freematch")),
    *(of_views(training, f"{training}_cached") for training in ("fixmatch", "freematch")),
    *(setting("mnist", training, STRATEGIES, 5, FEWER) for training in TRAININGS),
]

if __name__ == "__main__" and main(HERE, SETTINGS):
    report.main()
