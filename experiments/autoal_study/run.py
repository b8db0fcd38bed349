"""Does AutoAL's search pay? Presets, candidates and controls on three data sets, in pairs.

python -m experiments.autoal_study.run -- paths.data_dir=data             # run what is missing, then the tables
python -m experiments.autoal_study.run --settings digits breast_cancer    # no download
python -m experiments.autoal_study.run --collect                          # tables from what there is
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from autoal.search.options import CANDIDATE_SETS
from experiments.autoal_study import report

HERE = Path(__file__).resolve().parent

PLAIN = ("random", *CANDIDATE_SETS["paper7"], "badge")
# The 10 b samples of least margin, then k-means weighted by it.
MARGIN_KMEANS = ("margin_kmeans", "strategy=diverse_minibatch", "strategy.beta=10", "strategy.max_iter=10")
# Weights that are not learnt, with the choice by k-means that the search has.
FIXED = ("fixed_kmeans", "strategy=autoal", "strategy.query=kmeans")
EQUAL = ("equal_kmeans", "strategy=autoal_equal", "strategy.query=kmeans")
TOP_B = ("equal_topb", "strategy=autoal_equal", "strategy.grading=binary", "strategy.query=topb")
MARGIN_ONLY = ("margin_only", "strategy=autoal_equal", "strategy.query=kmeans", "strategy.candidates=[margin]")
ARMS: tuple[str | tuple[str, ...], ...] = (
    *PLAIN,
    MARGIN_KMEANS,
    *("autoal_search", "autoal_paper", "autoal_released"),
    FIXED,
    EQUAL,
    ("search_flat", "strategy=autoal_search", "strategy.prior=null"),
    ("search_sample", "strategy=autoal_search", "strategy.weights=sample"),
    TOP_B,
    MARGIN_ONLY,
    *("wide_herding", "autoal", "autoal_equal"),
)
SEEDS = dict(zip(report.SETS, (10, 5, 10), strict=True))
SETTINGS = [
    Setting(name, (f"+experiment=autoal_study/{name}", "trainer=cpu"), ARMS, tuple(range(seeds)))
    for name, seeds in SEEDS.items()
]

if __name__ == "__main__" and main(HERE, SETTINGS):
    report.main()
