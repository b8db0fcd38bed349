"""Studies: many runs of a few settings, resumable, collected into CSV files that a repository can keep.

A study is a short script in ``experiments/<study>/run.py`` that names its settings and calls :func:`main`::

    python -m experiments.<study>.run            # run what is missing, then collect
    python -m experiments.<study>.run --jobs 2   # in two processes
    python -m experiments.<study>.run --missing  # only what the results lack: a study in several sittings
    python -m experiments.<study>.run --collect  # collect what there is

Overrides after ``--`` go to every run, e.g. ``-- paths.data_dir=/data trainer=gpu``.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autoal.config.arguments import quote_paths
from autoal.console.terminal import say
from autoal.processes.signals import EXIT_INTERRUPTED, EXIT_STOPPED, StopRequest
from autoal.run.study_results import collect, recorded
from autoal.run.study_runs import Setting, StudyRun, study_runs
from autoal.run.study_workers import StudyJob, StudyWorkers, TimeLeft
from autoal.rundir.state import is_finished

SLOW = (
    *("loss_prediction", "waal", "coregcn", "uncertaingcn", "albl", "tailor", "autoal_search", "autoal_paper"),
    *("autoal_released", "vaal", "selectal", "refine", "boss"),
    *("ensemble_var_ratio", "adversarial_deepfool", "adversarial_bim"),
)
"""Strategies that cost many times a margin query, by and large in that order."""


def every_strategy(options: Mapping[str, Sequence[str]] | None = None) -> tuple[str | tuple[str, ...], ...]:
    """Return all strategies: random first, the :data:`SLOW` ones last, so that an early stop leaves most.

    Args:
        options: Overrides of some of them, by name.
    """
    from autoal.config.command_line import choices

    place = {"random": -1} | {name: i for i, name in enumerate(SLOW, 1)}
    names = sorted(choices("strategy"), key=lambda name: (place.get(name, 0), name))
    return tuple((name, *options[name]) if options and name in options else name for name in names)


def experiments(study: str) -> list[str]:
    """Return the names of a study's experiment files, those of ``conf/experiment/<study>``."""
    from autoal.config.command_line import choices

    return [name.removeprefix(f"{study}/") for name in choices("experiment") if name.startswith(f"{study}/")]


def main(
    study: Path, settings: Sequence[Setting], argv: Sequence[str] | None = None, runs: str | None = None
) -> bool:
    """Run a study's command line.

    Args:
        study: The study's folder, ``Path(__file__).parent`` of its script.
        settings: What to run.
        argv: Arguments; default the command line's.
        runs: Folder of ``runs/studies`` for the runs, which studies of the same settings share; default the
            study's name.

    Returns:
        True: results were collected, also where nothing was left to run.

    Raises:
        SystemExit: If the study was stopped (130 or 143), or a run has failed (1, after the others' results were
            collected).
    """
    words, extra = split_overrides(sys.argv[1:] if argv is None else argv)
    extra = quote_paths(extra)
    args = _arguments(study.name, Path("runs") / "studies" / (runs or study.name), words)
    settings = [replace(s, overrides=(*s.overrides, *extra)) for s in settings]
    todo = [
        c
        for c in study_runs(settings)
        if (args.settings is None or c.setting.name in args.settings)
        and (args.seeds is None or c.seed in args.seeds)
        and (args.strategies is None or c.label in args.strategies)
        and not is_finished(c.run_dir(args.root))
    ]
    if args.missing:
        there = recorded(todo, study / "results")
        say(f"{len(there)} of {len(todo)} runs are in the results")
        todo = [c for c in todo if (c.setting.name, c.label, c.seed) not in there]
    failed = 0 if args.collect else run_cells(todo, args.root, args.jobs)
    for name, n in collect(settings, args.root, study / "results").items():
        print(f"{name}: {n} finished runs in {study / 'results' / (name + '.csv')}")
    if failed:
        print(f"error: {failed} of {len(todo)} runs failed; the same command tries them again", file=sys.stderr)
        raise SystemExit(1)
    return True


def run_cells(todo: Sequence[StudyRun], root: Path, processes: int = 1) -> int:
    """Run cells in processes that import the package once, and say of each how it ended.

    Args:
        todo: The cells; started in their order.
        root: The study's folder of run directories.
        processes: How many at a time; with several, one thread each unless ``OMP_NUM_THREADS`` says otherwise.

    Returns:
        How many have failed, or were left because only their process was told to stop.

    Raises:
        SystemExit: If the study was told to stop; every run has saved then.
    """
    jobs = [
        StudyJob(
            f"{c.setting.name} {c.label} seed {c.seed}",
            f"{c.setting.name} {c.label}",
            c.overrides,
            c.run_dir(root),
        )
        for c in todo
    ]
    stop, clock, failed, ended = StopRequest(), TimeLeft(jobs, processes), 0, 0
    for number, end in enumerate(StudyWorkers(processes, stop).run(jobs), 1):
        if end.status == "failed":
            failed += 1
            say(f"error: {end.job.run_dir}: {end.message}", sys.stderr)
        if end.status != "stopped":
            ended += 1
            say(f"[{number}/{len(jobs)}] {clock.line(end)}")
    if stop.signum:
        say("stopped; every run has saved, and the same command goes on", sys.stderr)
        raise SystemExit(EXIT_INTERRUPTED if stop.signum == signal.SIGINT else EXIT_STOPPED)
    if ended < len(jobs):
        # Somebody has stopped the processes one by one, and not this one.
        say(f"error: processes were told to stop before {len(jobs) - ended} runs had ended", sys.stderr)
    return failed + len(jobs) - ended


def _arguments(name: str, root: Path, words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Run the study {name} and collect its results.")
    parser.add_argument("--root", type=Path, default=root, help="run directories")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--settings", nargs="*", default=None, help="only these settings")
    parser.add_argument("--seeds", nargs="*", type=int, default=None, help="only these seeds")
    parser.add_argument("--strategies", nargs="*", default=None, help="only these strategies")
    parser.add_argument("--missing", action="store_true", help="run only what the results of this recipe lack")
    parser.add_argument("--collect", action="store_true", help="run nothing")
    parser.epilog = "Overrides after -- go to every run, e.g. -- paths.data_dir=/data trainer=gpu"
    return parser.parse_args(words)


def split_overrides(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line at ``--`` into the study's own words and Hydra overrides for every run."""
    words = list(argv)
    cut = words.index("--") if "--" in words else len(words)
    return words[:cut], words[cut + 1 :]
