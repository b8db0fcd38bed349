"""A fixed part of a large pool of features, the same for every strategy and seed.

python -m experiments.foundation_study.pools DATA    # DATA/cifar10_jpeg-mobilenet_v2.npz -> ...-5k.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from autoal.files import atomic_open

SETS = ("cifar10_jpeg-mobilenet_v2", "mnist-mobilenet_v2")
PER_CLASS = 500
SEED = 0
PARTS = ("train_features", "train_labels", "test_features", "test_labels")


def load(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the parts of a set, from ``NAME.npz`` or a folder that ``autoal embed`` wrote; None without one."""
    if (folder / f"{name}.npz").exists():
        with np.load(folder / f"{name}.npz", allow_pickle=False) as whole:
            return {part: whole[part] for part in whole.files}
    if (folder / name / "features.json").exists():
        return {part: np.load(folder / name / f"{part}.npy", mmap_mode="r") for part in PARTS}
    return None


def main() -> None:
    """Draw the rows of each set that is there and write them beside it; the test part stays whole."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    for name in SETS:
        arrays = load(folder, name)
        if arrays is None:
            print(f"{name}: not in {folder}")
            continue
        draw = np.random.default_rng(SEED)
        labels = arrays["train_labels"]
        rows = [draw.permutation(np.flatnonzero(labels == c))[:PER_CLASS] for c in np.unique(labels)]
        kept = np.sort(np.concatenate(rows))
        arrays |= {"train_features": arrays["train_features"][kept], "train_labels": labels[kept]}
        path = folder / f"{name}-{len(kept) // 1000}k.npz"
        with atomic_open(path, "wb") as file:
            np.savez(file, **arrays)
        print(f"{len(kept)} training samples in {path}")


if __name__ == "__main__":
    main()
