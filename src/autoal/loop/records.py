"""The rows of ``rounds.csv`` while they grow, and the clock of each phase."""

from __future__ import annotations

from typing import Any

from autoal.training.evaluation import Evaluation

LOOP_PHASES = ("train", "pool", "test", "select")
"""Phases of the loop itself."""

SELECT_PHASES = ("pick", "query")
"""Phases in which a strategy makes its choice; what else it does counts as search."""


class RoundRecords:
    """Finished rows and the seconds of the current round.

    Attributes:
        rows: One mapping per round, in the columns of ``rounds.csv``.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}

    def add_seconds(self, phase: str, seconds: float) -> None:
        """Add to a phase of the current round."""
        self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds

    def start_row(
        self,
        round_: int,
        n_labeled: int,
        test: Evaluation,
        val: Evaluation | None,
        train_acc: float,
        epochs: int,
        class_balance: float,
    ) -> dict[str, Any]:
        """Return the part of a row that is known before the query."""
        return {
            "round": round_,
            "n_labeled": n_labeled,
            "test_acc": test.accuracy,
            "test_loss": test.loss,
            "test_ece": test.ece,
            "val_acc": None if val is None else val.accuracy,
            "train_acc": train_acc,
            "epochs": epochs,
            "class_balance": class_balance,
        }

    def finish_row(self, row: dict[str, Any], log: dict[str, float] | None) -> None:
        """Add the times and the strategy's columns, and start the next round's clock.

        A strategy's own phases run inside ``select``. The sum of those that train or search something is
        ``seconds_search`` and is taken out of ``seconds_select``, so that the common columns add up.
        """
        own = {k: v for k, v in self._seconds.items() if k not in LOOP_PHASES}
        search = sum(v for k, v in own.items() if k not in SELECT_PHASES)
        row["seconds_train"] = round(self._seconds.get("train", 0.0), 6)
        row["seconds_pool"] = round(self._seconds.get("pool", 0.0), 6)
        row["seconds_search"] = round(search, 6)
        row["seconds_select"] = round(max(0.0, self._seconds.get("select", 0.0) - search), 6)
        row["seconds_test"] = round(self._seconds.get("test", 0.0), 6)
        row.update({f"seconds_{k}": round(v, 6) for k, v in own.items()})
        row.update({k: float(v) for k, v in (log or {}).items()})
        self.rows.append(row)
        self._seconds = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"rows": [dict(r) for r in self.rows], "seconds": dict(self._seconds)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.rows = [dict(r) for r in state["rows"]]
        self._seconds = dict(state["seconds"])
