"""How far annotators agree beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

Votes = Mapping[str, str | None]
"""Who said what of one item."""


def cohen(votes: Sequence[Votes], first: str, second: str) -> tuple[int, float, float]:
    r"""Return how far two annotators agree.

    Cohen (1960): :math:`\kappa = (p_o - p_e) / (1 - p_e)`, with :math:`p_o` the share of items with equal answers
    and :math:`p_e = \sum_k p_{1k} p_{2k}` what their own shares of the classes would give by chance.

    Args:
        votes: The votes on each item.
        first: One annotator.
        second: The other one.

    Returns:
        Items that both answered, the share of equal answers, and kappa (1 where both always give one class).

    Example:
        >>> pairs = [("x", "x"), ("x", "y"), ("y", "y"), ("y", "y")]
        >>> cohen([{"a": a, "b": b} for a, b in pairs], "a", "b")
        (4, 0.75, 0.5)
    """
    both = [(v[first], v[second]) for v in votes if first in v and second in v]
    if not both:
        return 0, float("nan"), float("nan")
    n = len(both)
    equal = sum(a == b for a, b in both) / n
    one, two = Counter(a for a, _ in both), Counter(b for _, b in both)
    chance = sum(one[k] * two[k] for k in one) / n**2
    return n, equal, 1.0 if chance == 1.0 else (equal - chance) / (1.0 - chance)


def fleiss(votes: Sequence[Votes]) -> float:
    r"""Return the agreement of any number of annotators on items with at least two answers each.

    Fleiss (1971), with as many answers :math:`n_i` as each item has:
    :math:`P_i = (\sum_k n_{ik}^2 - n_i) / (n_i (n_i - 1))`, :math:`P_e = \sum_k p_k^2` over all answers, and
    :math:`\kappa = (\bar P - P_e) / (1 - P_e)`.

    Args:
        votes: The votes on each item.

    Returns:
        Kappa; NaN where no item has two answers.

    Example:
        >>> round(fleiss([{"a": "x", "b": "x", "c": "x"}, {"a": "x", "b": "y", "c": "y"}]), 4)
        0.25
    """
    rows = [Counter(v.values()) for v in votes if len(v) > 1]
    if not rows:
        return float("nan")
    total = sum((row for row in rows), Counter[str | None]())
    answers = sum(total.values())
    chance = sum((n / answers) ** 2 for n in total.values())
    shares = []
    for row in rows:
        n = sum(row.values())
        shares.append((sum(c * c for c in row.values()) - n) / (n * (n - 1)))
    mean = sum(shares) / len(shares)
    return 1.0 if chance == 1.0 else (mean - chance) / (1.0 - chance)


def lines(votes: Sequence[Votes]) -> list[str]:
    """Return the agreement in words: one line per pair of annotators, and one for all of them."""
    names = sorted({name for v in votes for name in v})
    found = []
    for first, second in combinations(names, 2):
        n, equal, kappa = cohen(votes, first, second)
        if n:
            found.append(f"{first} and {second}: {100 * equal:.1f}% of {n} alike, Cohen's kappa {kappa:.3f}")
    if len(names) > 2 and found:
        found.append(f"all {len(names)}: Fleiss' kappa {fleiss(votes):.3f}")
    return found
