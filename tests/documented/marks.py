"""The one table of the documented commands that no test runs as they are typed, and why.

Every other command of the pages is run verbatim. A marked one is composed or parsed instead.
"""

from __future__ import annotations

import re

GPU = "needs a GPU"
CLUSTER = "needs a cluster"
INTERNET = "needs the internet"
PERSON = "waits for a person at a browser; tests/browser is one"
DATA = "needs the files of a data set that is fetched from the internet"
STUDIO = "needs a Label Studio server; tests/humans/test_labelstudio_live.py is one"
SUITE = "is the test suite itself"

MARKS = (
    (r"nvidia-smi\b.*", GPU),
    (r".*\btrainer=(gpu|ddp)\b.*", GPU),
    (r".*\bhydra/launcher=slurm\b.*", CLUSTER),
    (r"autoal data cifar10\b.*", INTERNET),
    (r"pip install .*", INTERNET),
    (r"autoal label .*", PERSON),
    (r"autoal (query|ingest) .*labelstudio.*", STUDIO),
    (r"wandb sync .*", INTERNET),
    (r"autoal embed cifar10 .*\bbackbone\.pretrained=true\b.*", INTERNET),
    (r"autoal embed (mnist|image_folder path=cifar10-5k) .*\bbackbone\.pretrained=WEIGHTS\b.*", DATA),
    (r"python train\.py .*\bdataset=(mnist|cifar10)\b.*", DATA),
    (r"python train\.py .*\+experiment=(alfamix_cvpr22|autoal_icml25|deepal)/.*", DATA),
    (r"make study STUDY=(mnist_study|cifar10_jpeg|alfamix_cvpr22|autoal_icml25|deepal)\b.*", DATA),
    (r"python -m experiments\.(autoal|baselines)_study\.run -- paths\.data_dir=data", DATA),
    (r"python -m experiments\.semi_supervised_study\.run .*", "is dozens of runs: an hour"),
    (r"make test(-slow|-cpus)?( ARGS=tests/contract)?", SUITE),
    (r"make study STUDY=foundation_study\b.*", "is hundreds of runs: an hour"),
    (r"make study STUDY=digits_study\b.*", "is every strategy with ten seeds: hours"),
    (r"python -m experiments\.(autoal|baselines)_study\.run --settings digits.*", "is hundreds of runs: hours"),
    (r"python -m experiments\.foundation_study\.(run --root RUNS|two_tests) .*", DATA),
    (r"python -m experiments\.autoal_study\.(develop|regimes)", "is hundreds of runs: an hour"),
    (r"python -m experiments\.autoal_study\.offline\..*", "measures for hours, on frozen features"),
    (r"make bench", "times kernels against their peers for the better part of an hour"),
    (r"python -m experiments\.benchmarks\.\w+.*", "is a benchmark of several minutes"),
    (r"python -m experiments\.readme --run", "is three whole runs, as is make run, and rewrites the README"),
    (r"python train\.py -m strategy=random,badge,autoal seed=0,1,2", "is nine whole runs; a 2x2 sweep is run"),
    (r"python train\.py -m strategy=random,badge seed=0,1,2", "is six whole runs; a 2x2 sweep is run"),
    (r"python train\.py -m strategy=autoal,autoal_\w+,.* seed=0,1,2", "is twelve whole runs"),
    (r"python train\.py -m hydra/launcher=local_pool .*", "is nine whole runs; tests/loggers runs the pool"),
)
"""(What the whole command matches, why it is not run); the first that fits counts."""


def reason(command: str) -> str | None:
    """Return why a command is not run, or None: it is."""
    return next((why for pattern, why in MARKS if re.fullmatch(pattern, command)), None)
