"""``autoal train``, which is also ``python train.py``: compose one experiment, or a sweep of them, and run it.

Hydra has the command line: ``autoal train --help`` shows the groups and every key.
"""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from autoal.config.command_line import command_line, conf_dir, errors_in_one_line, run_directory
from autoal.processes.signals import leave_until_ready


def train(config: DictConfig) -> float | None:
    """Run the experiment of a composed config.

    Returns the last validation accuracy (with ``loop.n_val`` > 0), which is what a sweeper may tune on;
    test accuracy is for reports only.
    """
    from autoal.run.start import run  # heavy imports wait until there is something to run

    with errors_in_one_line():
        val_acc: float | None = run(config, run_directory(config)).get("val_acc")
    return val_acc


def main() -> None:
    """Run Hydra on the words of ``sys.argv``."""
    leave_until_ready()
    # The function keeps its name in this module, by which launchers hand it to other processes.
    command_line(lambda: hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(train)())
