"""A run directory seen from the tools that people use: its config, its images, its desk. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoal.errors import AutoALError
from autoal.humans.answers import Desk
from autoal.humans.queries import Query
from autoal.humans.standing import Standing
from autoal.rundir.state import read_config, read_summary


@dataclass(frozen=True)
class Place:
    """A run that asks people.

    Attributes:
        run_dir: The run directory.
        folder: Where its images are.
        desk: Its queries and answers.
    """

    run_dir: Path
    folder: Path
    desk: Desk

    @classmethod
    def of(cls, run_dir: Path, root: Path | None = None) -> Place:
        """Open a run directory.

        Args:
            run_dir: The run directory.
            root: Where the data are now; None: where they were.

        Raises:
            AutoALError: If there is no run, or no people take part in it.
        """
        config = read_config(run_dir)
        if not (config.get("oracle") or {}).get("people"):
            raise AutoALError(f"{run_dir} is a run with a simulated oracle: nobody is asked anything")
        data_dir = root or Path(str(config["paths"]["data_dir"]))
        return cls(run_dir, data_dir / Path(str(config["dataset"]["path"])).expanduser(), Desk(run_dir))

    def latest(self) -> Standing | None:
        """Return how far the last query is; None where nothing was asked yet."""
        return self.desk.latest()

    def open_query(self) -> Standing | None:
        """Return how far the query is that the run waits for; None where it waits for none."""
        found = self.latest()
        status = (read_summary(self.run_dir) or {}).get("status")
        return None if found is None or (found.complete and status != "waiting") else found

    def file(self, item: str) -> Path:
        """Return the file of an item."""
        return self.folder / item


def progress_line(standing: Standing) -> str:
    """Return how far a query is, for people."""
    query = standing.query
    parts = [f"{len(standing.taken)} of {standing.wanted} labelled"]
    parts += [f"{len(standing.skipped)} skipped"] if standing.skipped else []
    parts += [f"{len(standing.disputed)} disputed"] if standing.disputed else []
    parts += [f"{len(standing.open)} missing"] if standing.open else []
    return f"query {query.query} (round {query.round}): {', '.join(parts)}"


def of_query(query: Query, spares: bool) -> list[str]:
    """Return the ids of a query's items, with or without its spares."""
    return [asked.id for asked in query.items if spares or not asked.spare]
