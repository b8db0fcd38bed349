"""``autoal data``: fetch or verify a dataset before a job needs it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", help="a name from 'autoal list datasets'")
    parser.add_argument("options", nargs="*", metavar="key=value", help="options of the dataset, e.g. size=64")
    parser.add_argument("--root", type=Path, help="data directory (default: paths.data_dir of the configs)")
    parser.add_argument("--check", action="store_true", help="download nothing; verify what is there")


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
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in splits.items())
    shape = "x".join(str(n) for n in info.input_shape)
    where = f"in {place.absolute()}" if place is not None else "comes with a dependency, nothing to fetch"
    print(f"{args.dataset}: {where}")
    print(f"  {sizes}; {info.n_classes} classes; samples {shape}")
    if info.source or info.licence:
        print(f"  source {info.source or '-'}; licence {info.licence or '-'}")
    if info.citation:
        print(f"  cite: {info.citation}")
    return 0
