"""Tables of the study, from its ``results/*.csv``, into its README and ``docs/semi_supervised.md``.

python -m experiments.semi_supervised_study.report
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from autoal.analysis.stats import compare, paired
from autoal.files import atomic_open
from experiments.tables import Values, areas, finals, load, markdown, percent, points

HERE = Path(__file__).resolve().parent
PAGES = (HERE / "README.md", HERE.parents[1] / "docs" / "semi_supervised.md")
MARKERS = re.compile(r"(<!-- semi: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
TRAININGS = ("supervised", "fixmatch", "freematch")


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
    """Every strategy under every training: area, and paired differences to random and to supervised."""
    found = _each(name, areas)
    if not found:
        return f"No run of `{name}` yet."
    rows = []
    for training, values in found.items():
        for strategy, own in values.items():
            random = "" if strategy == "random" else _difference(own, values.get("random", {}))
            plain = found.get("supervised", {}).get(strategy, {})
            gain = "" if training == "supervised" else _difference(own, plain)
            rows.append([training, strategy, str(len(own)), percent(own), random, gain])
    return markdown(["training", "strategy", "seeds", "AUBC", "- random", "- supervised"], rows)


def _difference(own: dict[int, float], other: dict[int, float]) -> str:
    return points(compare(*paired(own, other), resamples=0)) if set(own) & set(other) else ""


def _each(name: str, number: Callable[..., Values]) -> dict[str, Values]:
    frames = {training: load(HERE, f"{name}_{training}") for training in TRAININGS}
    return {training: number(frame) for training, frame in frames.items() if frame is not None}


TABLES = {
    "digits_40": lambda: start("digits"),
    "digits": lambda: study("digits"),
    "cifar10_features": lambda: study("cifar10_features"),
    "mnist": lambda: study("mnist"),
}


def main() -> None:
    """Write the tables between their markers."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        made = MARKERS.sub(lambda m: f"{m[1]}\n{TABLES[m['name']]()}\n\n{m[3]}", text)
        if made != text:
            with atomic_open(page) as file:
                file.write(made)


if __name__ == "__main__":
    main()
