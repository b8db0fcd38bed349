"""Train/test splits for data that come without one: seeded, and the same for every experiment."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.rng import generator, stream_seed


def stratified_split(targets: Tensor, test_share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split samples so that every class has the same share in both parts.

    Samples without a label go to the training part. A class with a single sample stays in training.

    Args:
        targets: Int64, ``(N,)``; ``-1`` where unknown.
        test_share: Share of each class that goes to the test part, in (0, 1).
        seed: Seed of the split.

    Returns:
        Rows of the training part and of the test part, ascending.

    Raises:
        AutoALError: If the share leaves a part empty.
    """
    if not 0.0 < test_share < 1.0:
        raise AutoALError(f"dataset.test_share={test_share} is not in (0, 1)")
    is_test = torch.zeros(len(targets), dtype=torch.bool)
    for label in targets[targets >= 0].unique().tolist():
        rows = (targets == label).nonzero().squeeze(1)
        order = torch.randperm(len(rows), generator=generator(seed, "split", label))
        n_test = min(max(round(test_share * len(rows)), 1), len(rows) - 1)
        is_test[rows[order[:n_test]]] = True
    if not is_test.any():
        raise AutoALError(f"dataset.test_share={test_share} leaves no test samples: every class has one sample")
    return (~is_test).nonzero().squeeze(1), is_test.nonzero().squeeze(1)


def item_split(names: Sequence[str], targets: Tensor, test_share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split samples by their names, so that no sample changes sides when others are added, removed or labelled.

    A sample belongs to the test part when the SHA-256 digest of seed and name, as a number in [0, 1), is below
    the share. The share is therefore met on average and not exactly.

    Args:
        names: Name of each sample, N of them.
        targets: Int64, ``(N,)``; samples with ``-1`` go to the training part.
        test_share: Share of the samples that go to the test part, in (0, 1).
        seed: Seed of the split.

    Returns:
        Rows of the training part and of the test part, ascending.

    Raises:
        AutoALError: If the share is out of range, or leaves a part without labelled samples.

    Example:
        >>> names, targets = [f"{i}.png" for i in range(8)], torch.zeros(8, dtype=torch.int64)
        >>> train, test = item_split(names, targets, 0.5, seed=0)
        >>> [names[i] for i in test], [names[3:][i] for i in item_split(names[3:], targets[3:], 0.5, seed=0)[1]]
        (['0.png', '5.png', '7.png'], ['5.png', '7.png'])
    """
    if not 0.0 < test_share < 1.0:
        raise AutoALError(f"dataset.test_share={test_share} is not in (0, 1)")
    known = targets >= 0
    below = torch.tensor(
        [stream_seed(seed, "split", name) < test_share * 2**63 for name in names], dtype=torch.bool
    )
    is_test = below & known
    for part, rows in (("test", is_test), ("training", known & ~is_test)):
        if not rows.any():
            raise AutoALError(
                f"dataset.test_share={test_share} leaves none of {int(known.sum())} labelled images to the {part} "
                "part; choose another share or dataset.split_seed"
            )
    return (~is_test).nonzero().squeeze(1), is_test.nonzero().squeeze(1)


def grouped_split(groups: list[str], test_share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split whole groups (patients, sites), so that no group is in both parts.

    Groups go to the test part in random order until it holds at least ``test_share`` of the samples.

    Args:
        groups: Group of each sample.
        test_share: Wanted share of samples in the test part, in (0, 1).
        seed: Seed of the split.

    Returns:
        Rows of the training part and of the test part, ascending.
    """
    if not 0.0 < test_share < 1.0:
        raise AutoALError(f"dataset.test_share={test_share} is not in (0, 1)")
    names = sorted(set(groups))
    order = torch.randperm(len(names), generator=generator(seed, "split", "groups")).tolist()
    members = dict.fromkeys(names, 0)
    for group in groups:
        members[group] += 1
    test: set[str] = set()
    n_test = 0
    for i in order[:-1]:
        if n_test >= test_share * len(groups):
            break
        test.add(names[i])
        n_test += members[names[i]]
    is_test = torch.tensor([group in test for group in groups])
    return (~is_test).nonzero().squeeze(1), is_test.nonzero().squeeze(1)
