"""Compose one active-learning experiment and run it.

python train.py dataset=mnist backbone=mlp strategy=margin seed=3
python train.py -m strategy=random,badge,autoal seed=0,1,2
python train.py resume=runs/digits/mlp/autoal/seed=0/...
"""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from autoal.config.command_line import command_line, errors_in_one_line, run_directory


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def train(config: DictConfig) -> float | None:
    """Run the experiment of a composed config.

    Returns the last validation accuracy (with ``loop.n_val`` > 0), which is what a sweeper may tune on;
    test accuracy is for reports alone.
    """
    from autoal.run.start import run  # heavy imports wait until there is something to run

    with errors_in_one_line():
        val_acc: float | None = run(config, run_directory(config))["val_acc"]
    return val_acc


if __name__ == "__main__":
    command_line(train)
