"""The names that every dashboard shows, the same in W&B and TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping

from autoal.loggers.base import Row


def round_metrics(row: Row) -> dict[str, float]:
    """Return a row's metrics under their dashboard names.

    ``round/<column>`` for the common columns and a strategy's diagnostics, ``seconds/<phase>`` for times and
    ``weights/<candidate>`` for AutoAL's strategy weights; all have ``n_labeled`` as their x-axis.
    """
    metrics: dict[str, float] = {}
    for key, value in row.items():
        if value is None or key in ("n_labeled", "round"):
            continue
        if key.startswith("seconds_"):
            metrics[f"seconds/{key.removeprefix('seconds_')}"] = float(value)
        elif key.startswith("weight_"):
            metrics[f"weights/{key.removeprefix('weight_')}"] = float(value)
        else:
            metrics[f"round/{key}"] = float(value)
    return metrics


def epoch_prefix(round_: int) -> str:
    """Return the namespace of a round's per-epoch metrics."""
    return f"epochs/round_{round_:03d}"


def callback_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return what callbacks log under its dashboard names, ``callbacks/<name>``."""
    return {f"callbacks/{key}": value for key, value in metrics.items()}
