"""Tables and pictures of the study, from its ``results/*.csv``, into its README and ``docs/semi_supervised.md``.

python -m experiments.semi_supervised_study.report
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from autoal.analysis.stats import compare, paired
from autoal.files import atomic_open
from experiments.semi_supervised_study.curves import draw
from experiments.tables import Values, areas, finals, load, markdown, percent, points

HERE = Path(__file__).resolve().parent
PAGES = (HERE / "README.md", HERE.parents[1] / "docs" / "semi_supervised.md")
MARKERS = re.compile(r"(<!-- semi: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
TRAININGS = ("supervised", "fixmatch", "freematch")
CHOOSERS = ("margin", "uherding", "autoal")
"""Who chooses the samples, beside random."""
CURVES = ("digits", "cifar10_features", "mnist")


def start(name: str) -> str:
    """The initial set alone: accuracy of each training, and its paired difference to supervised."""
    found = _each(f"{name}_40", finals)
    if not found:
        return f"No run of `{name}` with 40 labels yet."
    base = found.get("supervised", {}).get("random", {})
    rows = []
    for training, values in found.items():
        own = values["random"]
        difference, better = "", ""
        if training != "supervised" and len(set(own) & set(base)) > 1:
            mine, others = paired(own, base)
            difference = points(compare(mine, others, resamples=0))
            better = f"{sum(a > b for a, b in zip(mine, others, strict=True))} of {len(mine)}"
        rows.append([training, str(len(own)), percent(own), difference, better])
    return markdown(["training", "seeds", "accuracy", "- supervised", "seeds better"], rows)


def study(name: str) -> str:
    """Every strategy under every training: areas, last accuracies, and paired differences of the areas."""
    found, last = _each(name, areas), _each(name, finals)
    if not found:
        return f"No run of `{name}` yet."
    rows = []
    for training, values in found.items():
        for strategy, own in values.items():
            final = last[training][strategy]
            random, late = "", ""
            if strategy != "random":
                random = _difference(own, values.get("random", {}))
                late = _difference(final, last[training].get("random", {}))
            plain = found.get("supervised", {}).get(strategy, {})
            gain = "" if training == "supervised" else _difference(own, plain)
            rows.append([training, strategy, str(len(own)), percent(own), percent(final), random, late, gain])
    differences = ["AUBC - random", "last - random", "AUBC - supervised"]
    head = ["training", "strategy", "seeds", "AUBC", "last accuracy", *differences]
    return markdown(head, rows)


def pays() -> str:
    """What the choice of samples adds under each training, and what the training adds, on every set that ran."""
    rows = []
    tables = {name: found for name in CURVES if (found := _each(name, areas))}
    there = {strategy for found in tables.values() for values in found.values() for strategy in values}
    strategies = [strategy for strategy in CHOOSERS if strategy in there]
    for name, found in tables.items():
        for training, values in found.items():
            base = values.get("random", {})
            gain = _difference(base, found.get("supervised", {}).get("random", {}))
            chosen = [_difference(values.get(strategy, {}), base) for strategy in strategies]
            rows.append([f"{name}, {training}", percent(base), "" if training == "supervised" else gain, *chosen])
    head = ["setting, training", "random", "random - supervised", *(f"{s} - random" for s in strategies)]
    return markdown(head, rows) if rows else "No curves yet."


def views() -> str:
    """Noise against cached views: areas of random samples, and what the default's choice adds."""
    base = load(HERE, "cifar10_views_supervised")
    if base is None:
        return "No run with cached views yet."
    plain = areas(base)
    rows = [["supervised", "", *_line(plain), "", ""]]
    for training in TRAININGS[1:]:
        kinds = {kind: load(HERE, f"cifar10_views_{training}_{kind}") for kind in ("noise", "cached")}
        values = {kind: areas(frame) for kind, frame in kinds.items() if frame is not None}
        for kind, found in values.items():
            shaken = values.get("noise", {}).get("random", {}) if kind == "cached" else {}
            gains = [_difference(found["random"], other) for other in (plain["random"], shaken)]
            rows.append([training, kind, *_line(found), *gains])
    head = ["training", "views", "seeds", "random", "autoal - random", "random - supervised", "cached - noise"]
    return markdown(head, rows)


def _line(found: Values) -> list[str]:
    random = found["random"]
    return [str(len(random)), percent(random), _difference(found.get("autoal", {}), random)]


def _difference(own: dict[int, float], other: dict[int, float]) -> str:
    return points(compare(*paired(own, other), resamples=0)) if set(own) & set(other) else ""


def _each(name: str, number: Callable[..., Values]) -> dict[str, Values]:
    frames = {training: load(HERE, f"{name}_{training}") for training in TRAININGS}
    return {training: number(frame) for training, frame in frames.items() if frame is not None}


TABLES = {
    "digits_40": lambda: start("digits"),
    "pays": pays,
    "views": views,
    **{name: partial(study, name) for name in CURVES},
}


def main() -> None:
    """Write the tables between their markers, and the pictures beside the results."""
    for name in CURVES:
        frames = {training: load(HERE, f"{name}_{training}") for training in TRAININGS}
        draw({t: frame for t, frame in frames.items() if frame is not None}, HERE / "results" / f"{name}.png")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        made = MARKERS.sub(lambda m: f"{m[1]}\n{TABLES[m['name']]()}\n\n{m[3]}", text)
        if made != text:
            with atomic_open(page) as file:
                file.write(made)


if __name__ == "__main__":
    main()
