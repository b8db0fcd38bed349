"""What ``summary.json`` says about a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoal.analysis.curves import aubc
from autoal.rundir.directory import git_commit, versions
from autoal.rundir.recipe import recipe_hash


def summary(
    config: Mapping[str, Any],
    strategy: str,
    rows: Sequence[Mapping[str, Any]],
    machine: Mapping[str, Any],
    status: str,
    message: str = "",
    **further: Any,
) -> dict[str, Any]:
    """Return the content of ``summary.json``.

    Args:
        config: The run's config.
        strategy: The strategy's name.
        rows: The rows of ``rounds.csv`` so far.
        machine: What the run computes with (:func:`autoal.run.machine.machine`).
        status: ``"running"``, ``"finished"``, ``"failed"`` or ``"interrupted"``.
        message: Why it failed, or how it goes on.
        **further: More entries.
    """
    accuracies = [r["test_acc"] for r in rows]
    labels = [r["n_labeled"] for r in rows]
    return {
        "status": status,
        "message": message,
        "dataset": config["dataset"]["name"],
        "backbone": config["backbone"]["name"],
        "strategy": strategy,
        "seed": config["seed"],
        "recipe": recipe_hash(config),
        "final_acc": accuracies[-1] if accuracies else None,
        "aubc": aubc(labels, accuracies) if len(rows) > 1 else None,
        "val_acc": rows[-1]["val_acc"] if rows else None,
        "n_labeled": labels[-1] if labels else 0,
        "n_val": config["loop"].get("n_val", 0),
        "rounds": len(rows),
        "versions": versions(),
        **{key: value for key, value in machine.items() if key != "torch"},  # which is among the versions
        "git_commit": git_commit(),
        **further,
    }
