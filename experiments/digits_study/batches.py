"""What the strategies since 2020 buy on the digits. From the ledgers of finished runs, nothing is trained.

python -m experiments.digits_study.batches --runs runs/studies/small

The columns are those of :mod:`experiments.baselines_study.batches`, which has random and margin.
"""

from __future__ import annotations

from pathlib import Path

from autoal.data.digits import Digits
from experiments import tables
from experiments.baselines_study import batches
from experiments.small import DIGITS, RECENT

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    batches.write(HERE, DIGITS, Digits(), RECENT, batches.arguments(__doc__ or ""))
    tables.main([HERE.name])
