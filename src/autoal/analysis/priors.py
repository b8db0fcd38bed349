"""The weights that a search of strategies starts from, as its config says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoal.analysis.recipes import read_config
from autoal.analysis.runs import Run

__all__ = ["prior_of_run", "prior_shares"]


def prior_shares(names: Sequence[str], prior: Mapping[str, float] | None) -> list[float]:
    """Return the weight that each candidate starts from, summing to 1.

    Args:
        names: The candidates.
        prior: Shares of some of them, the others divide the rest; None: all equal.

    Example:
        >>> prior_shares(["margin", "badge", "entropy"], {"margin": 0.5})
        [0.5, 0.25, 0.25]
    """
    named = {name: float(prior[name]) for name in names if prior and name in prior}
    left = 1.0 - sum(named.values())
    raw = [named[name] if name in named else left / (len(names) - len(named)) for name in names]
    return [value / sum(raw) for value in raw]


def prior_of_run(run: Run, names: Sequence[str]) -> dict[str, float]:
    """Return what the config of a run says of the weights that its search started from.

    Args:
        run: The run.
        names: Its candidates.

    Returns:
        Candidate to weight, empty if the config does not say.
    """
    options: Any = read_config(run.path).get("strategy")
    if not isinstance(options, Mapping) or "prior" not in options:
        return {}
    prior = None if options.get("weights") == "equal" else options["prior"]
    try:
        return dict(zip(names, prior_shares(names, prior), strict=True))
    except (TypeError, ValueError, ZeroDivisionError):
        return {}
