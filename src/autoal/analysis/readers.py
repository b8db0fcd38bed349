"""Readers of result files: DeepAL+ ``*_res.txt``, ALFA-Mix ``*_seed*.csv`` and plain CSV."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoal.analysis.curves import aubc
from autoal.analysis.importing import ImportedRun, check_curve
from autoal.errors import AutoALError

__all__ = ["FORMATS", "ReadOptions", "read_results"]

FORMATS = ("deepal", "alfamix", "csv")

_SEED_FILE = re.compile(r"^(?:\d+_)?(?P<strategy>.+?)_seed(?P<seed>\d+)\.csv$")
_SIZE_LINE = re.compile(r"^Size of training set is (\d+), accuracy is ([0-9.eE+-]+?)\.?\s*$")
_PLAIN = ("strategy", "seed", "n_labeled", "acc")


@dataclass(frozen=True)
class ReadOptions:
    """What the files do not say.

    Attributes:
        dataset: Replaces the data-set name.
        backbone: Replaces the backbone name.
        suffix: Appended to strategy names, to tell published runs from one's own.
        n_init: Size of the initial set, for ALFA-Mix results without ``args.json``.
        n_query: Labels per round, likewise.
        percent: Accuracies are percentages.
    """

    dataset: str = ""
    backbone: str = ""
    suffix: str = ""
    n_init: int | None = None
    n_query: int | None = None
    percent: bool = False


def read_results(paths: Sequence[Path], options: ReadOptions, format_: str = "auto") -> list[ImportedRun]:
    """Read result files and folders of them.

    Args:
        paths: Files or folders.
        options: What the files do not say.
        format_: One of :data:`FORMATS`, or ``auto`` to tell by file name.

    Returns:
        One run per curve.

    Raises:
        AutoALError: If nothing is found or a file cannot be read.
    """
    runs: list[ImportedRun] = []
    for path in paths:
        if not path.exists():
            raise AutoALError(f"{path} does not exist")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        explicit = path.is_file()
        for file in files:
            kind = _kind(file, explicit) if format_ == "auto" else format_
            if format_ != "auto" and not explicit and not _fits(file, format_):
                continue
            if kind:
                runs += _READERS[kind](file, options)
    if not runs:
        shown = ", ".join(map(str, paths))
        raise AutoALError(
            f"no results in {shown}: expected DeepAL+ *_res.txt, ALFA-Mix *_seed<n>.csv, "
            f"or CSV with the columns {','.join(_PLAIN)}"
        )
    return runs


def _fits(file: Path, format_: str) -> bool:
    if format_ == "deepal":
        return file.name.endswith("_res.txt")
    if format_ == "alfamix":
        return _SEED_FILE.match(file.name) is not None
    return file.suffix == ".csv"


def _kind(file: Path, explicit: bool) -> str:
    if _fits(file, "deepal"):
        return "deepal"
    if _fits(file, "alfamix"):
        return "alfamix"
    # In a folder, CSV files that are something else are not worth an error; a file that was named is.
    if file.suffix == ".csv" and (explicit or set(_PLAIN) <= set(_header(file))):
        return "csv"
    if explicit:
        raise AutoALError(f"{file}: cannot tell the format by its name; pass --format {'|'.join(FORMATS)}")
    return ""


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AutoALError(f"cannot read {file}: {error}") from None


def _header(file: Path) -> list[str]:
    first = _text(file).partition("\n")[0]
    return [name.strip() for name in next(csv.reader([first]), [])]


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise AutoALError(f"{where}: '{text}' is not a number") from None


def _integer(text: str, where: str) -> int:
    value = _number(text, where)
    if value != int(value):
        raise AutoALError(f"{where}: '{text}' is not a whole number")
    return int(value)


def _read_deepal(file: Path, options: ReadOptions) -> list[ImportedRun]:
    head: dict[str, str] = {}
    sizes: list[float] = []
    acc: list[float] = []
    for line in _text(file).splitlines():
        match = _SIZE_LINE.match(line.strip())
        if match:
            sizes.append(float(match.group(1)))
            acc.append(_number(match.group(2), str(file)))
        elif ":" in line:
            key, _, value = line.partition(":")
            head[key.strip()] = value.strip()
    for key in ("dataset", "AL strategy"):
        if not head.get(key):
            raise AutoALError(f"{file}: the line '{key}: ...' is missing; this is no DeepAL+ result file")
    check_curve(str(file), sizes, acc)
    repeats = head.get("time of repeat experiments", "1")
    quota = head.get("quota", "")
    complete = not quota.isdecimal() or sizes[-1] - sizes[0] >= int(quota)
    # The file holds the mean of the repeats, not the repeats: it stands as one seed and supports no test.
    message = f"mean of {repeats} repeats" + _own_aubc(file, sizes, acc)
    loop = {"n_init": int(sizes[0]), "n_query": head.get("batch size", ""), "quota": quota, "repeats": repeats}
    return [
        ImportedRun(
            source=file,
            toolkit="deepal",
            dataset=options.dataset or head["dataset"],
            backbone=options.backbone or "DeepAL+ default",
            strategy=head["AL strategy"] + options.suffix,
            seed=0,
            n_labeled=sizes,
            acc=acc,
            settings={"loop": loop},
            complete=complete,
            message=message,
        )
    ]


def _own_aubc(file: Path, sizes: Sequence[float], acc: Sequence[float]) -> str:
    """Compare with the AUBC that the toolkit printed; its quotient is wrong for a shorter last batch."""
    total = file.with_name(file.name.removesuffix("_res.txt") + "_res_tot.txt")
    if not total.is_file():
        return ""
    match = re.search(r"mean acc: ([0-9.]+?)\.? ", _text(total))
    if not match or abs(float(match.group(1)) - aubc(sizes, acc)) <= 0.002:
        return ""
    return f"; the toolkit printed AUBC {match.group(1)}, the curve has {aubc(sizes, acc):.4f}"


def _read_alfamix(file: Path, options: ReadOptions) -> list[ImportedRun]:
    match = _SEED_FILE.match(file.name)
    if match is None:
        raise AutoALError(f"{file}: ALFA-Mix results are named <strategy>_seed<n>.csv")
    acc, seconds = [], []
    for line, row in enumerate(csv.reader(_text(file).splitlines()), start=1):
        if not row:
            continue
        where = f"{file} line {line}"
        acc.append(_number(row[0], where))
        seconds.append(_number(row[1], where) if len(row) > 1 else 0.0)
    args, train = _alfamix_args(file, "args.json"), _alfamix_args(file, "train_args.json")
    sizes = _alfamix_sizes(file, args, options, len(acc))
    check_curve(str(file), sizes, acc)
    rounds = args.get("n_round")
    loop = {"n_init": int(sizes[0]), "n_query": options.n_query or args.get("n_query"), "n_rounds": rounds}
    return [
        ImportedRun(
            source=file,
            toolkit="alfamix",
            # Layout <data set>/<setting>/<strategy>_seed<n>.csv, as its aggregation script expects.
            dataset=options.dataset or str(args.get("data_name") or file.resolve().parent.parent.name),
            backbone=options.backbone or str(train.get("model") or "ALFA-Mix default"),
            strategy=match.group("strategy") + options.suffix,
            seed=int(match.group("seed")),
            n_labeled=sizes,
            acc=acc,
            settings={"import": {"toolkit": "alfamix", "setting": file.resolve().parent.name}, "loop": loop},
            seconds=seconds,
            complete=not isinstance(rounds, int) or len(acc) > rounds,
        )
    ]


def _alfamix_args(file: Path, name: str) -> Mapping[str, Any]:
    """The run's own arguments, else those of any run of the same setting."""
    own = file.with_suffix("") / name
    for path in (own, *sorted(file.parent.glob(f"*/{name}"))):
        if path.is_file():
            try:
                value = json.loads(_text(path))
            except ValueError:
                raise AutoALError(f"{path} is not valid JSON") from None
            return value if isinstance(value, dict) else {}
    return {}


def _alfamix_sizes(file: Path, args: Mapping[str, Any], options: ReadOptions, rounds: int) -> list[float]:
    n_init = options.n_init
    if n_init is None and args.get("init_lb_method", "general_random") != "general_random":
        raise AutoALError(f"{file}: the initial set was drawn per class; pass its total size with --n-init")
    n_init = n_init if n_init is not None else args.get("n_init_lb")
    n_query = options.n_query if options.n_query is not None else args.get("n_query")
    if n_init is None or n_query is None:
        raise AutoALError(f"{file}: no args.json beside it; pass --n-init and --n-query")
    ratio = args.get("query_growth_ratio", 1)
    sizes = [float(n_init)]
    for r in range(1, rounds):
        sizes.append(sizes[-1] + n_query * int(ratio ** (r - 1)))
    return sizes


def _read_csv(file: Path, options: ReadOptions) -> list[ImportedRun]:
    header = _header(file)
    absent = [name for name in _PLAIN if name not in header]
    if absent:
        raise AutoALError(f"{file} lacks the column {', '.join(absent)}; needed: {','.join(_PLAIN)}")
    scale = 100.0 if options.percent else 1.0
    curves: dict[tuple[str, str, str, int], dict[float, float]] = {}
    reader = csv.DictReader(_text(file).splitlines(), fieldnames=header)
    next(reader, None)
    for line, row in enumerate(reader, start=2):
        where = f"{file} line {line}"
        if None in row or None in row.values():
            raise AutoALError(f"{where} does not have {len(header)} fields")
        key = (
            options.dataset or row.get("dataset") or file.stem,
            options.backbone or row.get("backbone") or "unknown",
            row["strategy"].strip() + options.suffix,
            _integer(row["seed"], where),
        )
        curve = curves.setdefault(key, {})
        size = _number(row["n_labeled"], where)
        if size in curve:
            raise AutoALError(f"{where}: {key[2]} seed {key[3]} has {size:g} labels twice")
        curve[size] = _number(row["acc"], where) / scale
    runs = []
    for (dataset, backbone, strategy, seed), curve in curves.items():
        sizes = sorted(curve)
        acc = [curve[size] for size in sizes]
        check_curve(f"{file}: {strategy} seed {seed}", sizes, acc)
        runs.append(
            ImportedRun(file, "csv", dataset, backbone, strategy, seed, sizes, acc, {"import": {"toolkit": "csv"}})
        )
    return runs


_READERS = {"deepal": _read_deepal, "alfamix": _read_alfamix, "csv": _read_csv}
