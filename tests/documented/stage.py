"""What stands in a scratch clone before a page's commands are typed: the checkout, and what the page supposes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.analysis.test_import import alfamix, deepal
from tests.analysis.trees import write_tree
from tests.checkout import copy_checkout, environment
from tests.documented.pages import ROOT

WAIT_S = 3600


def scratch_clone(root: Path, folder: Path) -> Path:
    """Copy the checkout; what ``make install`` would install is this test's own environment."""
    copy_checkout(root, folder)
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        if (Path(sys.prefix) / name).exists():
            (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(folder / name, (0, 0))
    # Newer than what it depends on: make installs nothing.
    (folder / ".venv" / ".installed").touch()
    return folder


def bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Type a command into a scratch clone."""
    path = f"{folder / '.venv' / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    env = environment(PATH=path, PYTHONPATH=str(folder / "src"), COLUMNS="80")
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


def _table(folder: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = np.where(x[:, 0] + x[:, 1] > 0, "ill", "well")
    rows = "".join(f"{a:.4f},{b:.4f},{c:.4f},{label}\n" for (a, b, c), label in zip(x, y, strict=True))
    (folder / "patients.csv").write_text("age,pressure,weight,outcome\n" + rows)
    labels = rng.integers(0, 3, 500)
    features = (rng.normal(size=(500, 8)) + labels[:, None]).astype(np.float32)
    np.savez(folder / "embeddings.npz", features=features, labels=labels)


def _birds(folder: Path) -> None:
    photos = folder / "birds" / "photos"
    photos.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = ["path,label"]
    for number in range(1, 61):
        kind = ("heron", "duck")[number % 2]
        pixels = rng.integers(0, 120, (40, 48, 3)) + (100 if kind == "heron" else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(photos / f"{number:04d}.jpg")
        lines.append(f"photos/{number:04d}.jpg,{kind if number % 10 else ''}")
    (folder / "birds" / "labels.csv").write_text("\n".join(lines) + "\n")


def _data(folder: Path) -> None:
    _table(folder)
    _birds(folder)


def _unlabelled(folder: Path) -> None:
    """Birds, and somebody who answers what is asked about them."""
    _birds(folder)
    env = environment(PYTHONPATH=f"{folder / 'src'}:{ROOT}")
    # It ends with the run that it answers.
    command = [sys.executable, "-m", "tests.documented.person", str(folder / "runs" / "birds")]
    subprocess.Popen(command, cwd=folder, env=env)


def _features(folder: Path) -> None:
    _birds(folder)
    rng = np.random.default_rng(1)
    arrays = {}
    for part, n in (("train", 200), ("test", 60)):
        labels = rng.integers(0, 4, n)
        arrays[f"{part}_features"] = (rng.normal(size=(n, 16)) + labels[:, None]).astype(np.float32)
        arrays[f"{part}_labels"] = labels
    np.savez(folder / "questions.npz", **arrays)


def _first_run(folder: Path) -> None:
    made = bash("python train.py strategy=margin loop.n_rounds=1 loop.epochs=2 paths.run_dir=runs/first", folder)
    assert made.returncode == 0, made.stderr


def _sweep(folder: Path) -> None:
    options = "strategy=random,margin seed=0,1 loop.n_rounds=1 loop.epochs=2"
    made = bash(f"python train.py -m hydra.sweep.dir=sweeps/first {options}", folder)
    assert made.returncode == 0, made.stderr


def _cluster(folder: Path) -> None:
    _first_run(folder)
    _sweep(folder)


def _results(folder: Path) -> None:
    write_tree(folder / "runs", seeds=range(2), rounds=4)
    write_tree(folder / "multirun" / "2026-01-01_12-00-00", seeds=range(2), rounds=4)
    deepal(folder / "DeepALplus" / "results")
    alfamix(folder / "Overall" / "CIFAR10" / "resnet_low", "RandomSampling", 1, [0.2, 0.3, 0.4])
    (folder / "table.csv").write_text("strategy,seed,n_labeled,acc\nrandom,0,10,50\nrandom,0,20,60\n")


def _study(name: str) -> Callable[[Path], None]:
    return lambda folder: write_tree(folder / "runs" / "studies" / name, seeds=range(2), rounds=4) and None


STAGES: dict[str, Callable[[Path], None]] = {
    "README.md": _sweep,
    "docs/cluster.md": _cluster,
    "docs/data.md": _data,
    "docs/features.md": _features,
    "docs/labelling.md": _unlabelled,
    "docs/library.md": _first_run,
    "docs/report.md": _results,
    "experiments/digits_study/README.md": _study("small/digits"),
    "experiments/mnist_study/README.md": _study("small/mnist"),
    "experiments/cifar10_jpeg/README.md": _study("cifar10_jpeg"),
}
"""Page -> what is made before its commands are typed."""
