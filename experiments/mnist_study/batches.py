"""What the strategies since 2020 buy on MNIST. From the ledgers of finished runs, nothing is trained.

python -m experiments.mnist_study.batches --runs runs/studies/small --data-dir data

The columns are those of :mod:`experiments.baselines_study.batches`, which has random and margin.
"""

from __future__ import annotations

from pathlib import Path

from autoal.data.mnist import IdxImages
from experiments import tables
from experiments.baselines_study import batches
from experiments.small import MNIST, RECENT

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    batches.write(HERE, MNIST, IdxImages("mnist"), RECENT, batches.arguments(__doc__ or ""))
    tables.main([HERE.name])
