"""Compose one active-learning experiment and run it: ``autoal train`` in a checkout.

python train.py dataset=mnist backbone=mlp strategy=margin seed=3
python train.py -m strategy=random,badge,autoal seed=0,1,2
python train.py resume=runs/digits/mlp/autoal/seed=0/...
"""

from __future__ import annotations

from autoal.processes.signals import leave_until_ready

leave_until_ready()  # the imports take a while, and a signal may come

from autoal.commands.train import main  # noqa: E402

if __name__ == "__main__":
    main()
