"""How often does calibration change the uncertainty that herding weighs with? From the results, nothing is run.

python -m experiments.foundation_study.temperature

A temperature of 1 changes nothing, and 19.9 is the largest that is tried.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ("foundation_study", "digits_study", "mnist_study")
STRATEGIES = ("autoal", "uherding", "wide_herding")


def main() -> None:
    """Print the share of queries with a temperature of 1, and of those at the end of the grid."""
    for path in sorted(path for study in STUDIES for path in (ROOT / study / "results").glob("*.csv")):
        rows = pd.read_csv(path, low_memory=False)
        if "temperature" not in rows:
            continue
        found = rows.loc[rows["strategy"].isin(STRATEGIES), "temperature"].dropna()
        if len(found):
            one, end = (found == 1.0).mean(), (found >= 19.9).mean()
            print(f"{path.parents[1].name}/{path.stem}: {len(found)} queries, {one:.0%} at 1, {end:.0%} at 19.9")


if __name__ == "__main__":
    main()
