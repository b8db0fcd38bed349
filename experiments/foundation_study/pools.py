"""A fixed part of a large pool of features, the same for every strategy and seed.

python -m experiments.foundation_study.pools DATA    # DATA/cifar10_jpeg-mobilenet_v2.npz -> ...-5k.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

NAME = "cifar10_jpeg-mobilenet_v2"
PER_CLASS = 500
SEED = 0


def main() -> None:
    """Draw the rows and write them beside the whole set; the test part stays whole."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    with np.load(folder / f"{NAME}.npz", allow_pickle=False) as whole:
        arrays = {name: whole[name] for name in whole.files}
    draw = np.random.default_rng(SEED)
    labels = arrays["train_labels"]
    rows = [draw.permutation(np.flatnonzero(labels == c))[:PER_CLASS] for c in np.unique(labels)]
    kept = np.sort(np.concatenate(rows))
    arrays |= {"train_features": arrays["train_features"][kept], "train_labels": labels[kept]}
    path = folder / f"{NAME}-{len(kept) // 1000}k.npz"
    np.savez(path, **arrays)
    print(f"{len(kept)} training samples in {path}")


if __name__ == "__main__":
    main()
