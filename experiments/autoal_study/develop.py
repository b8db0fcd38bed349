"""What chose AutoAL's prior and its choice of the batch: some arms on seeds that no table of claims uses.

python -m experiments.autoal_study.develop              # run what is missing, then the table
python -m experiments.autoal_study.develop --collect    # the table from what there is

The frozen sets need their feature files below ``paths.data_dir``; see ``experiments/foundation_study``.
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from experiments.autoal_study import report
from experiments.autoal_study.run import EQUAL, FIXED, MARGIN_KMEANS, MARGIN_ONLY, TOP_B

HERE = Path(__file__).resolve().parent
ARMS = (
    "margin",
    MARGIN_KMEANS,
    MARGIN_ONLY,
    "autoal_search",
    FIXED,
    ("half_kmeans", "strategy=autoal", "strategy.query=kmeans", "strategy.prior={margin:0.5}"),
    EQUAL,
    ("equal_window5", "strategy=autoal_equal", "strategy.query=kmeans", "strategy.window=5.0"),
    ("equal_window20", "strategy=autoal_equal", "strategy.query=kmeans", "strategy.window=20.0"),
    TOP_B,
)
RULES = (
    *("random", "margin", "uherding", "wide_herding", "autoal", "autoal_equal"),
    ("autoal_05_4", "strategy=autoal", "strategy.query_exponent=0.5", "strategy.query_scale=4"),
    FIXED,
    EQUAL,
)
"""What chose the batch's rule: exponent and width of herding, votes or none, k-means."""
FROZEN = ("digits", "cifar10_jpeg", "trec6")
SETTINGS = [
    *(
        Setting(
            f"frozen_{name}_development",
            (f"+experiment=foundation_study/{name}", "trainer=cpu"),
            RULES,
            tuple(range(100, 105)),
        )
        for name in FROZEN
    ),
]
EXPONENT = (
    *("autoal", "autoal_equal"),
    *((f"{name}_05_4", f"strategy={name}", "strategy.query_exponent=0.5", "strategy.query_scale=4")
      for name in ("autoal", "autoal_equal")),
)  # fmt: skip
"""Whether the exponent 0.5 and the width 4, which are ahead offline, shall be the default."""
SETTINGS += [
    Setting(
        f"{kind}{name}_exponent_development",
        (f"+experiment={study}/{name}", "trainer=cpu"),
        EXPONENT if kind else EXPONENT[::2],
        tuple(range(105, 105 + n)),
    )
    for kind, study, name, n in (
        *(("frozen_", "foundation_study", name, 10) for name in FROZEN),
        ("", "autoal_study", "digits", 10),
        ("", "autoal_study", "breast_cancer", 10),
    )
]
SETTINGS += [
    Setting(
        f"{name}_development",
        (f"+experiment=autoal_study/{name}", "trainer=cpu"),
        ARMS,
        tuple(range(100, 100 + n)),
    )
    for name, n in (("digits", 10), ("breast_cancer", 30))
]

if __name__ == "__main__" and main(HERE, SETTINGS):
    report.main()
