"""``autoal train``, which is also ``python train.py``: compose one experiment, or a sweep of them, and run it.

Hydra has the command line: ``autoal train --help`` shows the groups and every key.
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from autoal.config.command_line import (
    command_line,
    conf_dir,
    errors_in_one_line,
    in_one_line,
    is_multirun,
    run_directory,
)
from autoal.processes.signals import leave_until_ready
from autoal.sweeps.cells import value_of


def train(config: DictConfig) -> float | None:
    """Run the experiment of a composed config.

    Returns what a sweeper may tune on (:func:`autoal.sweeps.cells.value_of`).
    """
    from autoal.run.start import run  # heavy imports wait until there is something to run

    with errors_in_one_line():
        run_dir = run_directory(config)
        try:
            return value_of(run(config, run_dir))
        except Exception as error:
            if is_multirun():
                _record(run_dir, config, error)
            raise


def _record(run_dir: Path, config: DictConfig, error: Exception) -> None:
    from autoal.run.failure import record_failure
    from autoal.run.start import overrides

    record_failure(run_dir, config, overrides(), in_one_line(error), error)


def main() -> None:
    """Run Hydra on the words of ``sys.argv``."""
    leave_until_ready()
    # The function keeps its name in this module, by which launchers hand it to other processes.
    command_line(lambda: hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(train)())
