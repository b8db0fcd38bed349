"""Tasks for development: features with known labels, from several origins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

POOL, TEST = 2000, 1500
"""Samples of a task at most: a sub-pool of the set, drawn by the seed."""


@dataclass(frozen=True)
class World:
    """A classification task with all labels.

    Attributes:
        name: Unique, e.g. ``"digits/classes=3"``.
        origin: Where it comes from: worlds of one origin share samples or their generator.
        x: Standardised pool ``(N, D)``, float32.
        y: ``(N,)`` int64.
        x_test: ``(M, D)``.
        y_test: ``(M,)``.
        classes: C.
    """

    name: str
    origin: str
    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: int


def of_arrays(name: str, origin: str, x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor) -> World:
    """Standardise by the pool's mean and deviation, as ``dataset=features`` does, and number the classes."""
    mean, sd = x.mean(0), x.std(0, unbiased=False)
    sd[sd < 1e-6] = 1.0
    kinds = y.unique()
    keep = torch.isin(y_test, kinds)
    return World(
        name,
        origin,
        ((x - mean) / sd).float(),
        torch.searchsorted(kinds, y),
        ((x_test - mean) / sd).float()[keep],
        torch.searchsorted(kinds, y_test[keep]),
        len(kinds),
    )


def _draw(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, xt: np.ndarray, yt: np.ndarray
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a = rng.permutation(len(x))[:POOL]
    b = rng.permutation(len(xt))[:TEST]
    # Ascending, as the samples of a pool are.
    a.sort()
    parts = (x[a], y[a], xt[b], yt[b])
    out = [torch.from_numpy(np.ascontiguousarray(p)) for p in parts]
    return out[0].float(), out[1].long(), out[2].float(), out[3].long()


def frozen(folder: Path, name: str) -> Callable[[int], World]:
    """Return a maker of sub-pools of a set of frozen features (``<name>.npz``)."""
    with np.load(folder / f"{name}.npz") as file:
        arrays = tuple(file[k] for k in ("train_features", "train_labels", "test_features", "test_labels"))
    origin = name.split("-")[0]

    def make(seed: int) -> World:
        return of_arrays(origin, origin, *_draw(np.random.default_rng([seed, 1]), *arrays))

    return make


TABLES = ("iris", "wine", "breast_cancer", "digits", "diabetes")


def table(name: str) -> Callable[[int], World]:
    """Return a maker of splits (70 : 30) of one of scikit-learn's tables; diabetes by its median."""
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "diabetes":
        y = y > np.median(y)

    def make(seed: int) -> World:
        rng = np.random.default_rng([seed, 1])
        order = rng.permutation(len(x))
        cut = int(0.7 * len(x))
        a, b = order[:cut], order[cut:]
        return of_arrays(name, name, *_draw(rng, x[a], y[a].astype(np.int64), x[b], y[b].astype(np.int64)))

    return make


def synthetic(kind: str) -> Callable[[int], World]:
    """Return a maker of worlds: ``"gauss"`` (several Gaussian clumps per class) or ``"prototypes"``.

    ``"prototypes"`` labels Gaussian samples by a random linear teacher with noise: there is no cluster to find.
    """

    def make(seed: int) -> World:
        rng = np.random.default_rng([seed, 2 if kind == "gauss" else 3])
        c, d, n = int(rng.integers(2, 11)), int(rng.integers(5, 60)), POOL + TEST
        if kind == "gauss":
            clumps = c * int(rng.integers(1, 4))
            centres = rng.normal(size=(clumps, d)) * rng.uniform(0.4, 1.2) * np.sqrt(8 / d)
            of = rng.choice(clumps, n, p=rng.dirichlet(np.full(clumps, rng.uniform(1, 10))))
            x, y = centres[of] + rng.normal(size=(n, d)) * rng.uniform(0.5, 1.0), of % c
        else:
            x = rng.normal(size=(n, d)) * rng.uniform(0.2, 1.5, d)
            teacher = rng.normal(size=(d, c))
            y = (x @ teacher + rng.gumbel(size=(n, c)) * rng.uniform(0.05, 1.0) * np.sqrt(d) / 2).argmax(1)
        return of_arrays(
            f"{kind}", kind, *_draw(rng, x[:POOL], y[:POOL].astype(np.int64), x[POOL:], y[POOL:].astype(np.int64))
        )

    return make


def variant(world: World, rng: np.random.Generator) -> World:
    """Change a world at random: a subset of classes, a projection, a long tail, noise in features or labels."""
    x, y, xt, yt = world.x, world.y, world.x_test, world.y_test
    what = []
    if world.classes > 20 or (world.classes > 3 and rng.random() < 0.5):
        count = int(rng.integers(2, min(world.classes, 12)))
        kinds = torch.from_numpy(rng.permutation(world.classes)[:count].copy())
        a, b = torch.isin(y, kinds), torch.isin(yt, kinds)
        x, y, xt, yt = x[a], y[a], xt[b], yt[b]
        what.append(f"classes={count}")
    if x.shape[1] > 8 and rng.random() < 0.4:
        width = int(rng.integers(4, min(64, x.shape[1])))
        p = torch.from_numpy(rng.normal(size=(x.shape[1], width))).float()
        x, xt = x @ p, xt @ p
        what.append(f"projection={width}")
    if len(y) > 300 and rng.random() < 0.35:
        share = torch.from_numpy(rng.uniform(0.05, 1, int(y.max()) + 1))
        keep = torch.from_numpy(rng.random(len(y))) < share[y]
        x, y = x[keep], y[keep]
        what.append("imbalance")
    if rng.random() < 0.3:
        sd = float(rng.uniform(0.3, 1.0)) * x.std()
        x = x + sd * torch.from_numpy(rng.normal(size=x.shape)).float()
        xt = xt + sd * torch.from_numpy(rng.normal(size=xt.shape)).float()
        what.append("feature noise")
    if rng.random() < 0.15:
        flip = torch.from_numpy(rng.random(len(y)) < 0.1)
        y = torch.where(flip, y[torch.from_numpy(rng.permutation(len(y)).copy())], y)
        what.append("label noise")
    made = of_arrays(world.name, world.origin, x, y, xt, yt)
    return replace(made, name="/".join([world.name, *what]))


def mnist(folder: Path) -> Callable[[int], World]:
    """Return a maker of sub-pools of MNIST's pixels, 64 principal components, from the four IDX files."""

    def read(name: str, skip: int) -> np.ndarray:
        return np.frombuffer((folder / name).read_bytes(), np.uint8, offset=skip)

    x = read("train-images-idx3-ubyte", 16).reshape(-1, 784)[:20000].astype(np.float32) / 255
    xt = read("t10k-images-idx3-ubyte", 16).reshape(-1, 784).astype(np.float32) / 255
    y, yt = read("train-labels-idx1-ubyte", 8)[:20000], read("t10k-labels-idx1-ubyte", 8)
    mean = x.mean(0)
    axes = np.linalg.eigh((x - mean).T @ (x - mean))[1][:, :-65:-1]
    arrays = ((x - mean) @ axes, y.astype(np.int64), (xt - mean) @ axes, yt.astype(np.int64))

    def make(seed: int) -> World:
        return of_arrays("mnist", "mnist", *_draw(np.random.default_rng([seed, 1]), *arrays))

    return make
