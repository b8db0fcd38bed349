"""Which strategy, when? Strategies on frozen features, from ten labels, with a linear head at its optimum.

python -m experiments.foundation_study.run --jobs 2 -- paths.data_dir=DATA    # what is missing, then the tables
python -m experiments.foundation_study.run --settings digits                     # no data needed
python -m experiments.foundation_study.run --collect                         # tables from what there is
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from experiments.foundation_study import report

HERE = Path(__file__).resolve().parent

# Cheapest first, so that an early stop leaves most.
PLAIN: tuple[str | tuple[str, ...], ...] = (
    *("random", "margin", "least_confidence", "entropy", "badge", "diverse_minibatch", "kmeans", "kcenter"),
    *("alfamix", "softmax_batch", "power", "dropquery", "falcun", "clue", "cal"),
    *("bald", "var_ratio", "mean_std"),
    # Weights of AutoAL's candidates that are not learnt, with a choice by k-means, and learnt ones with herding.
    ("fixed_kmeans", "strategy=autoal", "strategy.query=kmeans"),
    ("learnt_herding", "strategy=autoal", "strategy.weights=global"),
    *("typiclust", "uherding", "wide_herding", "maxherding", "facility_location", "bait"),
    *("autoal", "autoal_equal", "autoal_search"),
    *("probcover", "dcom", "activeft", "cluster_margin", "tcm", "similar", "galaxy", "direct", "cdal"),
    *("least_confidence_mc", "margin_mc", "entropy_mc", "batchbald", "epig"),
    *("softrank_batch", "noise_stability", "ldm_s", "kcenter_pca", "ddu"),
    *("albl", "tailor", "autoal_paper", "autoal_released", "refine"),
    # The control of refine: its last step on as many samples as its candidates see.
    ("refine_control", "strategy=refine", "strategy.passes=0", "strategy.candidates_cap=2000"),
    ("boss", "strategy.batches=30"),
)
SHORT_REFINE = ("refine", "strategy.passes=2", "strategy.batches=18", "strategy.first=2000")
"""Two batches of each candidate in each of two passes, instead of eleven in each of five: for the larger pools."""
SEARCH = (
    # What AutoAL's candidates are, alone.
    *("least_confidence", "margin", "entropy", "kmeans", "bald", "var_ratio", "mean_std"),
    *("random", "diverse_minibatch", "badge", "alfamix", "typiclust", "bait", "maxherding", "uherding"),
    *("tcm", "albl", "tailor", "autoal_paper", "autoal_released"),
    *("wide_herding", "autoal_equal", "autoal", "autoal_search", "fixed_kmeans", "learnt_herding"),
)
"""The arms that the study of the search looks at: twenty seeds instead of ten."""
CHEAP = PLAIN[:10]
"""Fifty seeds on TREC-6."""
FIVE = ("refine", "refine_control", "boss")
"""What costs many queries in each round, and its control."""
SEEDS = dict.fromkeys(SEARCH, 20) | dict.fromkeys(FIVE, 5)


def seeds_of(setting: str) -> tuple[tuple[str, int], ...]:
    """Return how many seeds strategies of a setting have that have not ten."""
    own = SEEDS | {str(name): 50 for name in CHEAP} if setting == "trec6" else SEEDS
    return tuple(own.items())


def strategies_of(setting: str) -> tuple[str | tuple[str, ...], ...]:
    """Return the arms of a setting: the digits' 1,200 samples have REFINE as it was published."""
    return PLAIN if setting == "digits" else tuple(SHORT_REFINE if arm == "refine" else arm for arm in PLAIN)


SETTINGS = [
    Setting(
        name,
        (f"+experiment=foundation_study/{name}", "trainer=cpu"),
        strategies_of(name),
        tuple(range(10)),
        seeds_of(name),
    )
    for name in report.SETS
]

if __name__ == "__main__" and main(HERE, SETTINGS):
    report.main()
