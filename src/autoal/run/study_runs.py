"""What a study consists of: settings, and one run for each strategy and seed of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """One dataset, recipe and budget, on which strategies are compared in pairs.

    Attributes:
        name: Name of the setting and of its CSV file.
        overrides: Hydra overrides that all of its runs share.
        strategies: Strategy names, or ``(label, overrides...)`` for a strategy with options.
        seeds: Seeds, the same for every strategy.
        n_seeds: Label and number of seeds, counted from 0, of strategies that have more or fewer than the others.
    """

    name: str
    overrides: tuple[str, ...]
    strategies: tuple[str | tuple[str, ...], ...]
    seeds: tuple[int, ...]
    n_seeds: tuple[tuple[str, int], ...] = ()

    def seeds_of(self, label: str) -> tuple[int, ...]:
        """Return the seeds of a strategy.

        Args:
            label: Its label.
        """
        own = dict(self.n_seeds).get(label)
        return self.seeds if own is None else tuple(range(own))


@dataclass(frozen=True)
class StudyRun:
    """One run of a study."""

    setting: Setting
    label: str
    overrides: tuple[str, ...]
    seed: int

    def run_dir(self, root: Path) -> Path:
        """Return where the run stands under the study's root."""
        return root / self.setting.name / self.label / f"seed={self.seed}"


def study_runs(settings: Sequence[Setting]) -> Iterator[StudyRun]:
    """Yield every run, seed by seed, so that an unfinished study is still a paired one."""
    for setting in settings:
        named = [(strategy,) if isinstance(strategy, str) else strategy for strategy in setting.strategies]
        for seed in dict.fromkeys(seed for label, *_ in named for seed in setting.seeds_of(label)):
            for label, *options in named:
                if seed not in setting.seeds_of(label):
                    continue
                chosen = [o for o in options if o.startswith("strategy=")] or [f"strategy={label}"]
                rest = [o for o in options if not o.startswith("strategy=")]
                overrides = (*setting.overrides, *chosen, *rest, f"seed={seed}")
                yield StudyRun(setting, label, overrides, seed)
