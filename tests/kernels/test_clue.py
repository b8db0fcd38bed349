import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import clue, entropy, kmeans


def pool(rows=120, classes=4, dim=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(rows, dim, generator=g), torch.randn(rows, classes, generator=g) * 3


def test_is_k_means_with_entropies_as_weights():
    z, logits = pool()
    picks = clue(z, logits, 8, torch.Generator().manual_seed(1), temperature=0.5)
    want = kmeans(z, 8, torch.Generator().manual_seed(1), weights=entropy(logits * 2))
    assert picks.index.tolist() == want.index.tolist()


def test_sure_samples_move_no_centroid():
    z = torch.tensor([[0.0], [1.0], [100.0], [101.0], [102.0]])
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1e4, 0.0], [1e4, 0.0], [1e4, 0.0]])
    assert sorted(clue(z, logits, 2, torch.Generator().manual_seed(0)).index.tolist()) == [0, 1]


def test_where_all_are_sure_all_weigh_the_same():
    z, logits = pool()
    logits[:, 0] = 1e4
    picks = clue(z, logits, 8, torch.Generator().manual_seed(1), temperature=1e-3)
    assert picks.index.tolist() == kmeans(z, 8, torch.Generator().manual_seed(1)).index.tolist()


def test_errors():
    z, logits = pool()
    with pytest.raises(AutoALError, match="temperature=0"):
        clue(z, logits, 2, torch.Generator(), temperature=0)
