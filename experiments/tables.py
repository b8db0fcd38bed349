"""Tables of the studies' texts, from their ``results/*.csv``; whatever results there are, they are shown.

python -m experiments.tables                # every study
python -m experiments.tables mnist_study    # one
python -m experiments.tables mnist_study --report runs/studies/small/mnist    # and its figures, from its runs

A text holds pairs of markers, ``<!-- table: KIND WORDS -->`` and ``<!-- end -->``; what stands between them is
written here. Accuracies are in percent, differences in points, and every difference is paired over seeds.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from autoal.analysis.curves import aubc
from autoal.analysis.stats import Comparison, compare, mean_ci, paired
from autoal.commands.listing import known_strategies
from autoal.errors import AutoALError, unknown_name
from autoal.files import atomic_open
from autoal.search.options import CANDIDATE_SETS

HERE = Path(__file__).resolve().parent
MARKERS = re.compile(r"(<!-- table: (?P<words>[^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
CANDIDATES = CANDIDATE_SETS["paper7"]
"""The seven candidates of AutoAL's paper."""
CEILINGS = frozenset(row["name"] for row in known_strategies() if row["family"] == "ceiling")
"""Read true labels and the test set: never in one table with methods."""
QUERY = ("seconds_pool", "seconds_search", "seconds_select")

Values = dict[str, dict[int, float]]
"""Strategy -> seed -> one number."""


def load(study: Path, setting: str) -> pd.DataFrame | None:
    """Read a setting's rounds; None where there are no results.

    Runs with fewer rounds than the longest are left out: their curve ends early.

    Args:
        study: The study's folder.
        setting: Name of the setting.

    Raises:
        AutoALError: If the file mixes recipes, which may not be compared.
    """
    path = study / "results" / f"{setting}.csv"
    if not path.exists():
        return None
    frame = pd.read_csv(path, dtype={"recipe": str, "cpu": str})
    recipes = sorted(frame["recipe"].unique())
    if len(recipes) > 1:
        raise AutoALError(f"{path} mixes the recipes {', '.join(recipes)}")
    rounds = frame.groupby(["strategy", "seed"])["round"].transform("count")
    return frame[rounds == rounds.max()]


def areas(frame: pd.DataFrame) -> Values:
    """Return the area under each run's curve."""
    return each_run(frame, lambda run: aubc(run["n_labeled"], run["test_acc"]))


def finals(frame: pd.DataFrame) -> Values:
    """Return each run's last accuracy."""
    return each_run(frame, lambda run: float(run["test_acc"].iloc[-1]))


def means_after(frame: pd.DataFrame, first: int) -> Values:
    """Return each run's mean accuracy over the rounds after round ``first``."""
    return each_run(frame, lambda run: float(run.loc[run["round"] > first, "test_acc"].mean()))


def query_seconds(frame: pd.DataFrame) -> Values:
    """Return each run's mean seconds per query: everything that is neither training nor the test."""
    # The parts of a search have columns of their own and are in seconds_search already.
    columns = [c for c in QUERY if c in frame]

    def seconds(run: pd.DataFrame) -> float:
        queries = run[columns].fillna(0.0).iloc[:-1]
        return float(queries.sum(axis=1).mean())

    return each_run(frame, seconds)


def each_run(frame: pd.DataFrame, number: Callable[[pd.DataFrame], float]) -> Values:
    """Return one number of each run, by strategy and seed."""
    values: Values = {}
    for (strategy, seed), run in frame.groupby(["strategy", "seed"], sort=False):
        values.setdefault(str(strategy), {})[int(seed)] = number(run.sort_values("round"))
    return values


def difference(values: Values, first: str, second: str) -> Comparison:
    """Compare two strategies on their common seeds, first minus second."""
    return compare(*paired(values[first], values[second]), resamples=0)


def verdict(result: Comparison) -> str:
    """Say in one word what a 95 % interval says of the first strategy."""
    if not math.isfinite(result.low):
        return "untested"
    if result.low > 0:
        return "better"
    return "worse" if result.high < 0 else "open"


def percent(values: dict[int, float]) -> str:
    """Return mean and standard deviation over seeds, in percent."""
    mean, sd, _, n = mean_ci(list(values.values()))
    return f"{100 * mean:.2f} ± {100 * sd:.2f}" if n > 1 else f"{100 * mean:.2f}"


def points(result: Comparison) -> str:
    """Return a mean difference with its 95 % interval, in points."""
    mean = f"{100 * result.mean:+.2f}"
    if not math.isfinite(result.low):
        return mean
    return f"{mean} [{100 * result.low:+.2f}, {100 * result.high:+.2f}]"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def summary(study: Path, setting: str) -> str:
    """All methods by area: accuracies, paired differences to random, seconds per query."""
    frame = load(study, setting)
    if frame is None:
        return missing(study, setting)
    return _by_area(frame, set(frame["strategy"]) - CEILINGS)


def ceilings(study: Path, setting: str) -> str:
    """What reads the truth, beside the best method: how much room there is above it."""
    frame = load(study, setting)
    if frame is None:
        return missing(study, setting)
    found = set(frame["strategy"]) & CEILINGS
    if not found:
        return f"No run of a ceiling ({', '.join(sorted(CEILINGS))}) of `{setting}` yet."
    area = areas(frame[~frame["strategy"].isin(CEILINGS)])
    best = max(area, key=lambda name: mean_ci(list(area[name].values()))[0])
    return _by_area(frame, found | {best, "random"})


def _by_area(frame: pd.DataFrame, names: set[str]) -> str:
    area, final, seconds = areas(frame), finals(frame), query_seconds(frame)

    def place(name: str) -> float:
        """By the paired difference, so that few seeds that happen to be easy lift nobody."""
        if "random" not in area:
            return -round(mean_ci(list(area[name].values()))[0], 9)
        return -round(difference(area, name, "random").mean, 9)

    # Equal areas stay in the order of the results; the last bit of a mean decides nothing.
    order = sorted((name for name in area if name in names), key=place)
    rows = []
    for name in order:
        if name == "random" or "random" not in area:
            against = ["", ""]
        else:
            against = [points(difference(values, name, "random")) for values in (area, final)]
        cost = f"{mean_ci(list(seconds[name].values()))[0]:.2f}"
        shown = f"{name} (ceiling)" if name in CEILINGS else name
        rows.append([shown, str(len(area[name])), percent(area[name]), percent(final[name]), *against, cost])
    head = ("strategy", "seeds", "AUBC", "final accuracy", "AUBC - random", "final - random", "s per query")
    most = max(len(area[name]) for name in order)
    few = [name for name in order if len(area[name]) < most]
    note = (
        f"\n\n{len(few)} strategies have fewer than {most} seeds: compare their differences, paired on the "
        "common seeds, and not their AUBC."
    )
    return markdown(head, rows) + (note if few else "")


def checks(study: Path, setting: str) -> str:
    """The orderings that the literature makes safe, AutoAL against its candidates, and who loses to random."""
    frame = load(study, setting)
    if frame is None:
        return missing(study, setting)
    area, late = areas(frame), means_after(frame, 3)
    wanted = [("margin", "random", late, "mean accuracy after round 3", "better")]
    wanted += [("badge", "random", late, "mean accuracy after round 3", "better")]
    wanted += [("kcenter", "badge", area, "AUBC", "worse")]
    others = ("autoal_equal", "autoal_search", "autoal_paper", "wide_herding", "uherding", "diverse_minibatch")
    wanted += [("autoal", name, area, "AUBC", "") for name in (*others, *CANDIDATES)]
    wanted += [("autoal_paper", name, area, "AUBC", "") for name in CANDIDATES]
    rows = []
    for first, second, values, what, expected in wanted:
        if first in values and second in values:
            result = difference(values, first, second)
            found = verdict(result)
            said = {"": "no claim", found: "as expected"}.get(expected)
            said = said or ("not shown" if found in ("open", "untested") else "contradicted")
            rows.append([f"{first} against {second}", what, str(result.n), points(result), found, said])
    if not rows:
        return f"None of the strategies that the checks are about has a run of `{setting}` yet."
    head = ("pair", "measure", "seeds", "difference", "verdict", "literature")
    return markdown(head, rows) + "\n\n" + _against_random(area)


def _against_random(area: Values) -> str:
    lost = losers(area)
    if "random" not in area:
        return "No run of random: nothing is compared with it."
    if all(len(values) < 2 for values in area.values()):
        return "One seed is no comparison with random."
    if not lost:
        return "No strategy's AUBC is below random's by more than one standard error."
    listed = ", ".join(f"{name} ({100 * result.mean:+.2f})" for name, result in lost.items())
    return f"AUBC below random's by more than one standard error: {listed}."


def clearly_below(result: Comparison) -> bool:
    """Say whether a difference is below zero by more than one standard error; one seed has none."""
    return result.n > 1 and result.mean < -result.sd / math.sqrt(result.n)


def losers(area: Values) -> dict[str, Comparison]:
    """Return the strategies whose area is below random's by more than one standard error of the difference."""
    if "random" not in area:
        return {}
    results = {name: difference(area, name, "random") for name in area if name != "random"}
    worse = {n: r for n, r in results.items() if clearly_below(r)}
    return dict(sorted(worse.items(), key=lambda item: item[1].mean))


def against(study: Path, setting: str, name: str) -> str:
    """Who is above and below a strategy, by the 95 % intervals of the paired differences in AUBC."""
    frame = load(study, setting)
    if frame is None:
        return missing(study, setting)
    area = areas(frame)
    if name not in area:
        return f"No run of {name} in `{setting}` yet."
    results = {n: difference(area, n, name) for n in area if n not in CEILINGS | {name}}
    lines = []
    for word, title in (("better", "above"), ("open", "not told apart from"), ("worse", "below")):
        there = sorted((n for n, r in results.items() if verdict(r) == word), key=lambda n: -results[n].mean)
        listed = ", ".join(f"{n} ({100 * results[n].mean:+.2f}, {results[n].n} seeds)" for n in there)
        lines.append(f"- {title} {name}: {listed or 'none'}")
    single = sorted(n for n, r in results.items() if verdict(r) == "untested")
    lines += [f"- one common seed, no comparison: {', '.join(single)}"] if single else []
    return "\n".join(lines)


def losing_in_all(study: Path, *settings: str) -> str:
    """Strategies that lose to random in every one of some settings, written ``study/setting``."""
    lost = []
    for name in settings:
        folder, _, setting = name.rpartition("/")
        frame = load(study.parent / folder, setting)
        if frame is None:
            return missing(study.parent / folder, setting)
        lost.append(losers(areas(frame)))
    both = [name for name in lost[0] if all(name in part for part in lost[1:])]
    if not both:
        return "None loses to random by more than one standard error in all of them."
    rows = [[name, *(points(part[name]) for part in lost)] for name in both]
    return markdown(("strategy", *(f"AUBC - random, {name}" for name in settings)), rows)


def phases(study: Path, setting: str) -> str:
    """Mean seconds per round and phase of each strategy, and the share of training."""
    frame = load(study, setting)
    if frame is None:
        return missing(study, setting)
    columns = [str(c) for c in frame if str(c).startswith("seconds_") and frame[c].fillna(0).abs().sum() > 0]
    means = frame.groupby("strategy")[columns].mean().fillna(0.0)
    # Parts of the search are shown, and are in seconds_search already.
    total = means[[c for c in columns if c in ("seconds_train", "seconds_test", *QUERY)]].sum(axis=1)
    rows = [
        [str(name), *(f"{means.loc[name, c]:.2f}" for c in columns), f"{total[name]:.2f}"]
        for name in total.sort_values().index
    ]
    return markdown(("strategy", *(c.removeprefix("seconds_") for c in columns), "sum"), rows)


def means(study: Path, file: str, key: str, *columns: str) -> str:
    """Mean of some columns of a study's file for each value of another, over all rows that have them."""
    path = study / "results" / f"{file}.csv"
    if not path.exists():
        return f"No `{path.relative_to(study).as_posix()}` yet."
    frame = pd.read_csv(path)
    groups = frame.groupby(key, sort=False)
    rows = [
        [str(name), str(group["seed"].nunique()), *(f"{group[c].mean():.3f}" for c in columns)]
        for name, group in groups
    ]
    return markdown((key, "seeds", *(c.replace("_", " ") for c in columns)), rows)


def published(study: Path, file: str, dataset: str) -> str:
    """A study's published numbers of one data set, with ours beside them."""
    table = pd.read_csv(study / "published" / f"{file}.csv")
    table = table[table["dataset"] == dataset]
    key = next(c for c in table.columns if c not in ("dataset", "approximate", "acc"))
    # An ablation's runs are a setting of their own: <dataset>_<file>, its labels those of the key column.
    frame = load(study, dataset if file == "fig2_final" else f"{dataset}_{file.split('_')[0]}")
    ours = {} if frame is None else finals(frame)
    names = [str(name) for name in table[key]]
    approximate = table.get("approximate", pd.Series("no", index=table.index))
    shown = [f"{'~' if a == 'yes' else ''}{acc:g}" for acc, a in zip(table["acc"], approximate, strict=True)]
    said = {"autoal": "autoal_paper"} if file == "fig2_final" else {}
    rows = []
    for name, acc in zip(names, shown, strict=True):
        mine = ours.get(said.get(name, name), {})
        rows.append([name, acc, percent(mine) if mine else "", str(len(mine)) if mine else ""])
    extra = [n for n in ours if n not in {said.get(name, name) for name in names}]
    rows += [[name, "", percent(ours[name]), str(len(ours[name]))] for name in sorted(extra)]
    return markdown((key, "published", "ours", "seeds"), rows)


def curves(study: Path, file: str) -> str:
    """A study's published curves, one row per data set."""
    table = pd.read_csv(study / "published" / f"{file}.csv")
    rows = []
    for dataset, curve in table.groupby("dataset", sort=False):
        points_ = zip(curve["n_labeled"], curve["acc"], strict=True)
        rows.append([str(dataset), "; ".join(f"{n:,}: {acc:g}" for n, acc in points_)])
    return markdown(("data set", "labels: accuracy"), rows)


def measured(study: Path, *settings: str) -> str:
    """Every setting of a study that has results, one summary after the other."""
    found = [name for name in settings if load(study, name) is not None]
    if not found:
        return missing(study, settings[0])
    return "\n\n".join(f"`{name}`\n\n{summary(study, name)}" for name in found)


def figures(study: Path) -> str:
    """The figures that were kept of the study's report."""
    found = sorted((study / "results" / "figures").glob("*.png"))
    if not found:
        return f"No figures yet; `python -m experiments.tables {study.name} --report <runs>` draws them."
    return "\n\n".join(f"![{f.stem.replace('_', ' ')}]({f.relative_to(study).as_posix()})" for f in found)


def keep_figures(study: Path, runs: Path, out: Path) -> None:
    """Write the report of a study's runs and keep the figures that its text shows.

    Args:
        study: The study's folder.
        runs: Where its runs are.
        out: Where the whole report goes.
    """
    from autoal.commands.main import main as autoal

    if autoal(["report", str(runs), "--out", str(out)]):
        raise AutoALError(f"autoal report {runs} failed")
    kept = study / "results" / "figures"
    kept.mkdir(parents=True, exist_ok=True)
    for pattern in ("curves_*.png", "penalty_setting_*.png"):
        for file in sorted((out / "figures").glob(pattern)):
            shutil.copyfile(file, kept / file.name)


def missing(study: Path, setting: str) -> str:
    """Say how to get the results that are not there."""
    return f"No results of `{setting}` yet; `make study STUDY={study.name}` writes them."


KINDS: dict[str, Callable[..., str]] = {
    "summary": summary,
    "ceilings": ceilings,
    "checks": checks,
    "against": against,
    "losing_in_all": losing_in_all,
    "phases": phases,
    "means": means,
    "published": published,
    "curves": curves,
    "measured": measured,
    "figures": figures,
}
"""Kind of table -> function of the study's folder and the words after the kind."""


def own_kinds(study: Path) -> dict[str, Callable[..., str]]:
    """Return the kinds of tables that a study has for itself: ``KINDS`` of its module ``report``."""
    if study.parent != HERE or not (study / "report.py").exists():
        return {}
    found: dict[str, Callable[..., str]] = getattr(import_module(f"experiments.{study.name}.report"), "KINDS", {})
    return found


def rewrite(text: str, study: Path, kinds: dict[str, Callable[..., str]] | None = None) -> str:
    """Return a text with every table between its markers made anew.

    Args:
        text: The text.
        study: Folder of the study that it belongs to.
        kinds: Further kinds of tables.

    Raises:
        AutoALError: For a kind that does not exist.
    """
    known = KINDS | own_kinds(study) | (kinds or {})

    def table(match: re.Match[str]) -> str:
        kind, *words = match["words"].split()
        if kind not in known:
            raise unknown_name("table", kind, known)
        return f"{match[1]}\n{known[kind](study, *words)}\n\n{match[3]}"

    return MARKERS.sub(table, text)


def update(path: Path, study: Path, **kinds: Any) -> bool:
    """Rewrite a file's tables; returns whether it changed."""
    old = path.read_text(encoding="utf-8")
    new = rewrite(old, study, kinds)
    if new != old:
        with atomic_open(path) as file:
            file.write(new)
    return new != old


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the README of each named study, default all that have markers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("studies", nargs="*", help="folders of experiments/; default: all with a README")
    parser.add_argument("--report", type=Path, metavar="RUNS", help="write the report of one study's runs, too")
    args = parser.parse_args(argv)
    studies = [HERE / name for name in args.studies] or sorted(p.parent for p in HERE.glob("*/README.md"))
    if args.report is not None:
        if len(studies) != 1:
            parser.error("--report is for one study")
        keep_figures(studies[0], args.report, Path("runs") / "reports" / studies[0].name)
    for study in studies:
        changed = update(study / "README.md", study)
        print(f"{study.name}/README.md {'rewritten' if changed else 'is up to date'}")


if __name__ == "__main__":
    main()
