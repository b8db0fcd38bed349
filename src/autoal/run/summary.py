"""What ``summary.json`` says about a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoal.analysis.curves import aubc
from autoal.config.root import SUPERVISED
from autoal.rundir.directory import git_commit, versions
from autoal.rundir.recipe import recipe_hash


def training_text(config: Mapping[str, Any]) -> str:
    """Return what a curve must say of its training: the method and the steps of a round; empty: supervised.

    Example:
        >>> training_text({"training": {"name": "fixmatch"}, "loop": {"epochs": 100, "steps_per_epoch": 300}})
        'fixmatch, 30000 steps a round'
    """
    training, loop = config.get("training") or SUPERVISED, config["loop"]
    if training == SUPERVISED:
        return ""
    steps = loop.get("steps_per_epoch")
    length = f", {steps * loop['epochs']} steps a round" if steps else f", {loop['epochs']} epochs a round"
    return f"{training['name']}{length}"


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
    training = training_text(config)
    return {
        "status": status,
        "message": message,
        "dataset": config["dataset"]["name"],
        "backbone": config["backbone"]["name"],
        "strategy": strategy,
        **({"training": training} if training else {}),
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
