"""Typical and odd samples of a class against the definition in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels import class_representatives


def typicality(x: Tensor, neighbours: int) -> list[float]:
    unit = x.double() / x.double().norm(dim=1, keepdim=True)
    found = []
    for i in range(len(x)):
        d = sorted(float((unit[i] - unit[j]).norm()) for j in range(len(x)) if j != i)
        k = min(neighbours, max(1, len(x) // 2))
        found.append(1 / (sum(d[:k]) / k + 1e-5))
    return found


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("neighbours", [3, 20])
def test_one_per_class_is_the_definitions(odd: bool, neighbours: int) -> None:
    rng = torch.Generator().manual_seed(2)
    x, y = torch.randn(40, 5, generator=rng), torch.randint(4, (40,), generator=rng)
    found = class_representatives(x, y, 1, torch.Generator().manual_seed(0), odd, neighbours)
    wanted = []
    for label in range(4):
        own = (y == label).nonzero().squeeze(1)
        values = typicality(x[own], neighbours)
        place = (
            min(range(len(own)), key=values.__getitem__) if odd else max(range(len(own)), key=values.__getitem__)
        )
        wanted.append(int(own[place]))
    assert found.tolist() == sorted(wanted)


def test_more_come_from_clusters_of_their_own_and_a_class_keeps_one() -> None:
    centres = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    x = centres.repeat_interleave(4, 0) + 0.01 * torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    found = class_representatives(x, torch.zeros(12, dtype=torch.int64), 3, torch.Generator().manual_seed(0))
    assert (found // 4).tolist() == [0, 1, 2]
    y = torch.tensor([0, 1, 1, 2, 2, 2, *[3] * 6])
    found = class_representatives(x, y, 100, torch.Generator().manual_seed(0))
    assert torch.bincount(y[found], minlength=4).tolist() == [0, 1, 2, 5]


def test_copies_and_zeros() -> None:
    x = torch.zeros(6, 2)
    y = torch.tensor([0, 0, 0, 1, 1, 1])
    assert class_representatives(x, y, 1, torch.Generator().manual_seed(0)).tolist() == [0, 3]


def test_refuses_what_does_not_fit() -> None:
    rng = torch.Generator()
    with pytest.raises(AutoALError, match="per_class=0"):
        class_representatives(torch.ones(3, 2), torch.zeros(3), 0, rng)
    with pytest.raises(AutoALError, match="targets"):
        class_representatives(torch.ones(3, 2), torch.zeros(2), 1, rng)
