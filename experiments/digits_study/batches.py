"""What the strategies since 2020 buy on the digits. From the ledgers of finished runs, nothing is trained.

python -m experiments.digits_study.batches --runs runs/studies/small

The columns are those of :mod:`experiments.baselines_study.batches`, which has random and margin.
"""

from __future__ import annotations

from pathlib import Path

from autoal.data.digits import Digits
from experiments import tables
from experiments.baselines_study import batches
from experiments.small import DIGITS

HERE = Path(__file__).resolve().parent

RECENT = (
    *(
        "activeft",
        "bait",
        "batchbald",
        "boss",
        "cal",
        "clue",
        "cluster_margin",
        "dcom",
        "direct",
        "dropquery",
        "epig",
    ),
    *("facility_location", "falcun", "galaxy", "ldm_s", "maxherding", "noise_stability", "power", "probcover"),
    *("refine", "selectal", "similar", "softmax_batch", "softrank_batch", "tcm", "typiclust", "uherding"),
    "wide_herding",
)

if __name__ == "__main__":
    batches.write(HERE, DIGITS, Digits(), RECENT, batches.arguments(__doc__ or ""))
    tables.main([HERE.name])
