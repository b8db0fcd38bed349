"""Cells of a study in this process, one after the other, each as if it were alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from autoal.config.command_line import in_one_line
from autoal.config.root import check_root, plain
from autoal.data.kept import KeptData
from autoal.errors import AutoALError
from autoal.logs import quiet
from autoal.run.compose import compose_config
from autoal.run.experiment import Experiment
from autoal.run.failure import record_failure
from autoal.run.isolation import as_found
from autoal.run.start import trusted
from autoal.rundir.resume import same_cell

_SEED = re.compile(r"seed=(\d+)")


class CellRunner:
    """Runs cells: what they have in common, imports, data set and most of the config, is taken up once."""

    def __init__(self) -> None:
        self._data = KeptData()
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def run(self, overrides: Sequence[str], run_dir: Path) -> dict[str, Any]:
        """Run or resume a cell; one that is finished is left as it is.

        The run directory is the one that ``python train.py OVERRIDES paths.run_dir=RUN_DIR`` writes.

        Args:
            overrides: What the experiment is composed from.
            run_dir: Where its files go.

        Returns:
            The content of ``summary.json``.

        Raises:
            AutoALError: In one line, which the run directory records; the process is as before.
        """
        run_dir = run_dir.absolute()
        config = self._config(overrides, run_dir)
        with as_found():
            quiet()
            try:
                return self._run(config, overrides, run_dir)
            except Exception as error:
                message = in_one_line(error)
                record_failure(run_dir, config, overrides, message, error)
                raise AutoALError(message) from error

    def _run(self, config: DictConfig, overrides: Sequence[str], run_dir: Path) -> dict[str, Any]:
        checked = check_root(plain(config))
        start = same_cell(run_dir, checked)
        if start.summary is not None:
            return start.summary
        built = Experiment.build(start.config, run_dir, overrides, start.resume, trusted(checked), self._data)
        built.show = False
        return built.run(start.resume)

    def _config(self, overrides: Sequence[str], run_dir: Path) -> DictConfig:
        """Compose a cell's config; cells that differ in the seed are composed once."""
        seeds = [word for word in overrides if _SEED.fullmatch(word)]
        rest = tuple(word for word in overrides if word not in seeds)
        if rest not in self._composed:
            self._composed[rest] = compose_config(rest)
        config = deepcopy(self._composed[rest])
        if seeds:
            config.seed = int(seeds[-1].partition("=")[2])
        config.paths.run_dir = str(run_dir)
        return config
