"""A W&B report of one group of runs: learning curves per strategy with bands, and what lies behind them.

pip install wandb-workspaces
python docs/examples/wandb_report.py --entity me --project autoal --group digits-4b06184952
"""

from __future__ import annotations

import argparse
from typing import Any

CURVES = (
    "round/test_acc",
    "round/aubc",
    "round/test_loss",
    "round/test_ece",
    "round/class_balance",
    "round/seconds",
)
"""Drawn over the number of labels, one line per strategy: the mean over seeds and its standard deviation."""

EPOCHS = ("train/acc", "train/loss")
"""Drawn over all epochs of a run."""


def build(entity: str, project: str, group: str | None = None) -> Any:
    """Return the report, not yet saved.

    Args:
        entity: W&B user or team.
        project: W&B project.
        group: W&B group, ``<data set>-<recipe>`` of the runs that are comparable; None: all runs.
    """
    import wandb_workspaces.reports.v2 as wr

    by_strategy: dict[str, Any] = {
        "groupby": wr.Config("strategy.name"),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "stddev",
        "smoothing_type": "none",
    }
    by_labels = {"x": "round/n_labeled", **by_strategy}
    labels = [wr.LinePlot(title=name, y=[name], **by_labels) for name in CURVES]
    epochs = [wr.LinePlot(title=name, x="train/epoch", y=[name], **by_strategy) for name in EPOCHS]
    own = wr.LinePlot(
        title="strategy weights", x="round/n_labeled", metric_regex="^strategy/weight_", **by_strategy
    )
    spent = wr.LinePlot(
        title="seconds by phase", x="round/n_labeled", metric_regex="^detail/seconds_", **by_strategy
    )
    runs = wr.Runset(entity=entity, project=project, filters=f"Group = '{group}'" if group else "")
    return wr.Report(
        entity=entity,
        project=project,
        title=f"Active learning: {group or project}",
        description="Mean over seeds, band of one standard deviation.",
        width="fluid",
        blocks=[
            wr.H1("Learning curves"),
            wr.PanelGrid(runsets=[runs], panels=labels),
            wr.H1("Strategies and training"),
            wr.PanelGrid(runsets=[runs], panels=[own, spent, *epochs]),
        ],
    )


def main() -> None:
    """Save the report and print its address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entity", required=True)
    parser.add_argument("--project", default="autoal")
    parser.add_argument("--group", help="<data set>-<recipe>, as the runs' page shows it")
    asked = parser.parse_args()
    report = build(asked.entity, asked.project, asked.group)
    report.save()
    print(report.url)


if __name__ == "__main__":
    main()
