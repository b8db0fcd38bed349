"""Plain float64 definitions of the coverage strategies, written from the papers and without the fast path."""

import numpy as np

EQUAL = 1e-10


def unit(x):
    """Rows of length 1; a row of zeros stays."""
    x = np.asarray(x, dtype=np.float64)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def squared(a, b):
    """Squared distances by differences."""
    return np.array([((b - row) ** 2).sum(1) for row in a]).reshape(len(a), len(b))


def kernel_matrix(name, a, b, h):
    """Similarities of every row of a to every row of b."""
    if name == "cosine":
        return (1 + a @ b.T) / 2
    d2 = squared(a, b)
    return {
        "rbf": lambda: np.exp(-d2 / h**2),
        "laplace": lambda: np.exp(-np.sqrt(d2) / h),
        "student_t": lambda: (1 + d2 / h**2) ** -0.5,
        "top_hat": lambda: (np.sqrt(d2) < h * (1 - 1e-12)).astype(float),
    }[name]()


def plain_herding(x, n, labelled=None, weights=None, kernel="rbf", h=1.0, normalise=True, targets=None):
    """Every gain of every candidate anew for every pick; the lowest row of equal ones."""
    prepare = unit if normalise else lambda v: np.asarray(v, dtype=np.float64)
    z = prepare(x)
    t = z if targets is None else z[targets]
    w = np.ones(len(t)) if weights is None else np.asarray(weights, dtype=np.float64)
    similar = kernel_matrix(kernel, t, z, h)
    covered = np.zeros(len(t))
    if labelled is not None and len(labelled):
        covered = kernel_matrix(kernel, t, prepare(labelled), h).max(1)
    picks, gains = [], []
    while len(picks) < n:
        gain = w @ np.maximum(similar - covered[:, None], 0)
        gain[picks] = -1
        if gain.max() <= 1e-12 * w.sum():
            break
        best = int(np.flatnonzero(gain >= gain.max() * (1 - EQUAL))[0])
        picks.append(best)
        gains.append(gain[best])
        covered = np.maximum(covered, similar[:, best])
    centres = z[picks] if labelled is None else np.concatenate([z[picks], prepare(labelled)])
    rest = [i for i in range(len(z)) if i not in set(picks)]
    far = squared(z, centres).min(1) if len(centres) else np.full(len(z), 1.0)
    largest = max([far[i] for i in rest] + [1e-300])
    rest.sort(key=lambda i: (-round(far[i] / largest, 9), i))
    return (picks + rest)[:n], np.array(gains + [0.0] * (n - len(gains)))
