"""Plain float64 definitions of the coverage strategies, written from the papers and without the fast path."""

import numpy as np
import torch

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
        "top_hat": lambda: below(np.sqrt(d2), h).astype(float),
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


def below(distance, radius):
    """Strictly nearer; a distance that equals the radius up to rounding is not."""
    return distance < radius * (1 - 1e-12)


def plain_typicality(z, neighbours):
    """One over the mean distance to the nearest others, plus the published softener."""
    if len(z) == 1:
        return np.zeros(1)
    d = np.sqrt(squared(z, z))
    np.fill_diagonal(d, np.inf)
    k = min(neighbours, max(1, len(z) // 2))
    return 1 / (np.sort(d, axis=1)[:, :k].mean(1) + 1e-5)


def plain_typiclust(z, assignment, known, n, smallest=5, neighbours=20):
    """Rows of the pool; ``assignment`` holds the clusters of the ``known`` labelled samples first."""
    sizes = np.bincount(assignment)
    labels = np.bincount(assignment[:known], minlength=len(sizes))
    order = sorted(np.flatnonzero(sizes), key=lambda c: (labels[c], -sizes[c], c))
    left = {c: list(np.flatnonzero(assignment[known:] == c)) for c in order}
    picks = []
    for few in (False, True):
        group = [c for c in order if (sizes[c] <= smallest) == few]
        while len(picks) < n and any(left[c] for c in group):
            for c in group:
                if left[c] and len(picks) < n:
                    t = plain_typicality(z[left[c]], neighbours)
                    picks.append(left[c].pop(int(np.flatnonzero(t >= t.max() * (1 - EQUAL))[0])))
    return [int(i) for i in picks]


def plain_dcom(z, p, labelled, targets, n, radius=0.75, switch=0.9, steepness=30.0):
    """Radii by bisection, competence and the combined score, recomputed for every pick."""
    margins = np.sort(p, axis=1)
    u = 1 - (margins[:, -1] - margins[:, -2])
    u = (u - u.min()) / (u.max() - u.min()) if u.max() > u.min() else 0 * u
    d = np.sqrt(squared(labelled, z))
    predicted = p.argmax(1)
    need = 0.2 * below(d, radius).any(0).mean() + 0.4
    radii = []
    for row, target in zip(d, targets, strict=True):
        low, high = 0.0, 1.1
        while high - low > 0.05:
            middle = (low + high) / 2
            inside = predicted[below(row, middle)]
            if len(inside) == 0 or (inside == target).mean() >= need:
                low = middle
            else:
                high = middle
        radii.append(round(low, 2))
    radii = np.array(radii)
    cov = below(d, max(radii.max(), 0.05)).any(0).mean()
    s = round((1 + np.exp(-steepness * (1 - switch))) / (1 + np.exp(-steepness * (cov - switch))), 3)
    covered = below(d, radii[:, None]).any(0)
    near = below(np.sqrt(squared(z, z)), max(0.05, radii.mean()))
    most = max(1, (near & ~covered).sum(1).max())
    picks = []
    for _ in range(n):
        value = s * u + (1 - s) * (near & ~covered).sum(1) / most
        value[picks] = -1
        picks.append(int(np.flatnonzero(value >= value.max() * (1 - EQUAL))[0]))
        covered = covered | near[picks[-1]]
    return picks, s


def plain_activeft(z, fixed, n, generator, steps, lr, balance=1.0):
    """ActiveFT by plain optimisation: cosines of the moved points to all rows ``(n, N)``, and the rows they take.

    ``z`` and ``fixed`` are unit rows, float64. Ties go to the lowest row.
    """
    order = torch.argsort(torch.rand(len(z), generator=generator, dtype=torch.float64))
    points = z[order[:n]].clone().requires_grad_()
    adam = torch.optim.Adam([points], lr=lr)
    for _ in range(steps):
        adam.zero_grad()
        every = torch.cat([points, fixed])
        s, k = (z @ every.T / 0.07).max(1)
        crowd = balance * (every @ every.detach().T / 0.07).exp().sum(1)[k]
        (-(s - (s.exp() + crowd).log()).mean()).backward()
        adam.step()
        points.data /= points.data.norm(dim=1, keepdim=True)
    cosine, rows = (points.detach() @ z.T).numpy(), []
    left = cosine.copy()
    for row in left:
        row[rows] = -np.inf
        rows.append(int(np.flatnonzero(row >= row.max() - 1e-9)[0]))
    return cosine, rows
