"""Plain float64 definitions, written from the papers and without looking at the fast path."""

import numpy as np
from scipy.special import softmax


def squared_distances(x, point):
    """Squared Euclidean distance of each row from a point."""
    return ((x - point) ** 2).sum(1)


def greedy_k_center(distance, n, first=None, tie=0.0):
    """Farthest-first traversal; ``distance(i)`` gives all divergences from row i, ``first`` starts it.

    Of rows within a relative ``tie`` of the farthest, the first is chosen.
    """
    picks, scores = [], []
    if isinstance(first, int):
        picks, scores = [first], [distance(first).max()]
        best = distance(first)
    else:
        best = first
    while len(picks) < n:
        masked = best.copy()
        masked[picks] = -1
        picks.append(int(np.flatnonzero(masked >= masked.max() * (1 - tie))[0]))
        scores.append(best[picks[-1]])
        best = np.minimum(best, distance(picks[-1]))
    return picks, np.array(scores)


def gradient_embeddings(logits, x):
    """Explicit (p - onehot(argmax)) x h, flattened."""
    p = softmax(np.asarray(logits, dtype=np.float64), axis=1)
    p[np.arange(len(p)), p.argmax(1)] -= 1
    return (p[:, :, None] * np.asarray(x, dtype=np.float64)[:, None, :]).reshape(len(p), -1)


def symmetric_kl(p, q):
    """0.5 KL(p||q) + 0.5 KL(q||p) of each row of p from one q."""
    return 0.5 * (p * np.log(p / q)).sum(1) + 0.5 * (q * np.log(q / p)).sum(-1)


def alfamix_loop(h, y, anchors, weight, bias, caps, n):
    """The published closed form: cumulative candidates over caps and classes, element-wise alpha."""
    h, anchors, weight, bias = (np.asarray(v, dtype=np.float64) for v in (h, anchors, weight, bias))
    p = softmax(h @ weight.T + bias, axis=1)
    p[np.arange(len(h)), y] -= 1
    g = p @ weight / len(h)
    norm = np.linalg.norm(g, axis=1, keepdims=True)
    flipped = np.zeros(len(h), dtype=bool)
    for cap in caps:
        eps = cap / np.sqrt(h.shape[1])
        for a in anchors:
            z = a - h
            with np.errstate(divide="ignore", invalid="ignore"):
                alpha = eps * np.linalg.norm(z, axis=1, keepdims=True) * g / norm / (z + 1e-8)
            mixed = ((1 - alpha) * h + alpha * a) @ weight.T + bias
            flipped |= (mixed.argmax(1) != y) & (norm[:, 0] > 0)
        if flipped.sum() > n:
            break
    return np.flatnonzero(flipped), cap
