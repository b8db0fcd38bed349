"""``autoal data``: fetch or verify a dataset before a job needs it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


MOST_CLASSES = 20
"""Of more classes only the largest and the smallest are shown, unless all are asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", help="a name from 'autoal list datasets'")
    parser.add_argument("options", nargs="*", metavar="key=value", help="options of the dataset, e.g. size=64")
    parser.add_argument("--root", type=Path, help="data directory (default: paths.data_dir of the configs)")
    parser.add_argument("--check", action="store_true", help="download nothing; verify what is there")
    parser.add_argument(
        "--classes", action="store_true", help=f"count every class, also of more than {MOST_CLASSES}"
    )


def run(args: argparse.Namespace) -> int:
    """Fetch what is missing, verify checksums, read everything once, and say where it is."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from autoal.config.command_line import choices, conf_dir
    from autoal.config.explain import explain
    from autoal.data.build import build_dataset
    from autoal.data.loading import load_splits
    from autoal.errors import AutoALError, unknown_name

    names = choices("dataset")
    if args.dataset not in names:
        raise unknown_name("dataset", args.dataset, names)
    overrides = [f"dataset={args.dataset}", *(f"dataset.{option}" for option in args.options)]
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = compose("train", overrides=overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise AutoALError(explain(error)) from error
    root = Path(args.root or config.paths.data_dir).expanduser()
    dataset = build_dataset(config.dataset)
    place = dataset.prepare(root, fetch=not args.check) if dataset.needs_files else None
    splits = load_splits(dataset, root)
    info = dataset.info
    parts = ", ".join(f"{len(split):,} {name}" for name, split in splits.items())
    shape = "x".join(str(n) for n in info.input_shape)
    where = f"in {place.absolute()}" if place is not None else "comes with a dependency, nothing to fetch"
    print(f"{args.dataset}: {where}")
    print(f"  {parts}; {info.n_classes} classes; samples {shape}")
    counts = {name: class_counts(split.targets, info.n_classes) for name, split in splits.items()}
    labelled = sum(counts["train"])
    unlabelled = len(splits["train"]) - labelled
    print(f"  training samples: {labelled:,} labelled, {unlabelled:,} unlabelled; {labelled:,} can be bought")
    labels = tuple(info.class_names or map(str, range(info.n_classes)))
    print("\n".join(f"  {line}" for line in class_table(labels, counts, args.classes)))
    if info.source or info.licence:
        print(f"  source {info.source or '-'}; licence {info.licence or '-'}")
    if info.citation:
        print(f"  cite: {info.citation}")
    return 0


def class_counts(targets: Tensor, n_classes: int) -> list[int]:
    """Return how many samples of each class there are; those without a label (-1) count nowhere."""
    known = targets[targets >= 0]
    return [int(n) for n in known.bincount(minlength=n_classes)]


def class_table(names: Sequence[str], counts: Mapping[str, Sequence[int]], every: bool) -> list[str]:
    """Return the lines of a table of samples per class and part, at most 78 columns wide.

    Args:
        names: Names of the classes.
        counts: Part of the data set to the number of samples of each class.
        every: Whether to show all of more than :data:`MOST_CLASSES` classes.
    """
    order = list(range(len(names)))
    shown, left_out = order, 0
    if len(names) > MOST_CLASSES and not every:
        by_size = sorted(order, key=lambda i: (-counts["train"][i], i))
        half = MOST_CLASSES // 2
        shown, left_out = by_size[:half] + by_size[-half:], len(names) - 2 * half
    width = min(max(5, *(len(names[i]) for i in shown)), 40)
    lines = [f"{'class':<{width}}" + "".join(f"{part:>9}" for part in counts)]
    for place, i in enumerate(shown):
        if left_out and place == MOST_CLASSES // 2:
            lines.append(f"... {left_out} classes of sizes between (--classes shows all)")
        name = names[i] if len(names[i]) <= width else f"{names[i][: width - 1]}…"
        lines.append(f"{name:<{width}}" + "".join(f"{n[i]:>9,}" for n in counts.values()))
    return lines
