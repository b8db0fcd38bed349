"""Fill the README's generated parts, and what ``autoal list strategies`` says.

python -m experiments.readme            # all but the last
python -m experiments.readme --run      # also runs seeds 0, 1, 2 of the default experiment
python -m experiments.readme --check    # exit 1 if a table is out of date
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

import pandas as pd

from autoal.commands.listing import INDEX, as_json, strategy_rows
from experiments import tables

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
HANDFUL = 6
"""Strategies of a family that the README names."""
SHOWN = (
    *("random", "entropy", "kcenter", "badge", "margin", "diverse_minibatch", "alfamix"),
    *("uherding", "wide_herding", "autoal_paper", "autoal_search", "autoal_equal", "autoal"),
)


def family_table(rows: Iterable[Mapping[str, str]]) -> str:
    """Return the table of families, each with a handful of its strategies: the best known ones first."""
    families: dict[str, list[str]] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row["name"])
    lines = ["| family | strategies |", "|---|---|"]
    for family, names in families.items():
        ordered = sorted(names, key=lambda name: (name not in SHOWN, name))
        rest = f", and {len(names) - HANDFUL} more" if len(names) > HANDFUL else ""
        lines.append(f"| {family} | {', '.join(f'`{name}`' for name in ordered[:HANDFUL])}{rest} |")
    return "\n".join(lines)


def speed_table() -> str:
    """Return the benchmarks' main rows from their CSV files."""
    results = ROOT / "experiments" / "benchmarks" / "results"
    lines = ["| what | ours | peer | ratio |", "|---|---|---|---|"]
    for name in ("clusters", "mnist"):
        table = pd.read_csv(results / f"kernels_{name}.csv")
        for _, row in table[(table.implementation != "autoal") & table.times_slower.notna()].iterrows():
            ours = table[
                (table.implementation == "autoal") & (table.case == row.case) & (table.classes == row.classes)
            ]
            if len(ours) and row.implementation != "scikit-activeml":
                picks = "" if row.case.endswith("search") else f", {row.picks:,} picks"
                scaled = "" if pd.isna(row.scaled_from_picks) else f" (from {row.scaled_from_picks:.0f} picks)"
                lines.append(
                    f"| {row.case}, {row.rows:,} x {row.dim}{picks} ({name}) | {ours.iloc[0].seconds:.2g} s "
                    f"| {row.implementation}: {row.seconds:.3g} s{scaled} | {row.times_slower:.1f} |"
                )
    paths = pd.read_csv(results / "datapath.csv")
    for case, rows in paths.groupby("case", sort=False):
        plain, ours = rows.iloc[0], rows.iloc[-1]
        fast, slow = ours.images_per_second, plain.images_per_second
        lines.append(f"| {case} | {fast:,.0f} images/s | {plain.path}: {slow:,.0f} images/s | {fast / slow:.1f} |")
    return "\n".join(lines)


def results_table() -> str:
    """Return the area under the curve of well-known strategies in the two studies with every strategy."""
    found = {name: tables.load(ROOT / "experiments" / f"{name}_study", name) for name in ("digits", "mnist")}
    areas = {name: tables.areas(frame) for name, frame in found.items() if frame is not None}
    head = ["AUBC in percent, mean and sd over seeds"]
    head += [f"{name}, {len(area['random'])} seeds" for name, area in areas.items()]
    rows = [
        [f"`{strategy}`", *(tables.percent(area[strategy]) if strategy in area else "" for area in areas.values())]
        for strategy in SHOWN
    ]
    return tables.markdown(head, rows)


def default_runs() -> str:
    """Run the default experiment with seeds 0, 1, 2 and return the text about it; keeps seed 0's curve."""
    summaries = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in (0, 1, 2):
            run_dir = Path(scratch) / str(seed)
            command = [sys.executable, "train.py", "trainer=cpu", f"seed={seed}", f"paths.run_dir={run_dir}"]
            subprocess.run(command, cwd=ROOT, check=True)
            summaries.append(json.loads((run_dir / "summary.json").read_text()))
        search = Path(scratch) / "search"
        command = [sys.executable, "train.py", "trainer=cpu", "strategy=autoal_search", f"paths.run_dir={search}"]
        subprocess.run(command, cwd=ROOT, check=True)
        images = ROOT / "docs" / "images"
        (images / "digits_autoal.png").write_bytes((Path(scratch) / "0" / "curve.png").read_bytes())
        (images / "digits_autoal_weights.png").write_bytes((search / "strategy_weights.png").read_bytes())
    final = [100 * s["final_acc"] for s in summaries]
    area = [100 * s["aubc"] for s in summaries]
    seconds = [s["seconds"] for s in summaries]
    v = summaries[0]["versions"]
    finals = ", ".join(f"{f:.2f}%" for f in final)
    areas = ", ".join(f"{a:.2f}%" for a in area)
    # Older versions did not record what they ran on.
    threads = summaries[0].get("threads", "?")
    machine = f"{threads} thread{'' if threads == 1 else 's'} of {summaries[0].get('cpu', 'an unknown CPU')}"
    return (
        f"`make run` buys 40 + 10 x 20 labels of the digits' 1,200. Seeds 0, 1, 2: final accuracy {finals} "
        f"(mean {mean(final):.2f}%) at {summaries[0]['n_labeled']} labels, AUBC {areas}, "
        f"at most {max(seconds):.0f} seconds per run with {machine} (torch {v['torch']}, "
        f"lightning {v['lightning']}, {datetime.now(UTC):%Y-%m-%d}; `python -m experiments.readme --run`)."
    )


def fill(text: str, part: str, content: str) -> str:
    """Put content between a part's markers."""
    pattern = rf"(<!-- {part}:begin -->\n).*?(<!-- {part}:end -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL)


def filled(run: bool = False) -> dict[Path, str]:
    """Return the files that this module fills, with the text that each is to have.

    Args:
        run: Whether to run the default experiment for the part about it.
    """
    rows = strategy_rows()
    new = fill(README.read_text(encoding="utf-8"), "strategies", family_table(rows))
    new = fill(fill(new, "speed", speed_table()), "results", results_table())
    if run:
        new = fill(new, "run", default_runs())
    return {README: new, INDEX: as_json(rows)}


def out_of_date() -> list[str]:
    """Return the names of the files that are to be filled again."""
    return [path.name for path, text in filled().items() if path.read_text(encoding="utf-8") != text]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if args.check:
        changed = out_of_date()
        sys.exit(f"{' and '.join(changed)} out of date: run python -m experiments.readme" if changed else 0)
    for path, text in filled(args.run).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
