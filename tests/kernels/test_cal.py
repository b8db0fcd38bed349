"""CAL against a loop over samples and neighbours."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from autoal.errors import AutoALError
from autoal.kernels import cal


def pools(rows=40, known=25, classes=4, dim=6, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, dim, generator=g, dtype=torch.float64),
        torch.randn(rows, classes, generator=g, dtype=torch.float64),
        torch.randn(known, dim, generator=g, dtype=torch.float64),
        torch.randn(known, classes, generator=g, dtype=torch.float64),
    )


def loop(z, logits, known, known_logits, k):
    z, known = (x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True) for x in (z, known))
    p, q = softmax(logits.numpy(), axis=1), softmax(known_logits.numpy(), axis=1)
    out = []
    for i in range(len(z)):
        near = np.argsort(-(known @ z[i]), kind="stable")[:k]
        out.append(np.mean([(q[j] * np.log(q[j] / p[i])).sum() for j in near]))
    return np.array(out)


@pytest.mark.parametrize("k", [1, 10, 99])
def test_values_are_those_of_the_loop(k):
    data = pools()
    np.testing.assert_allclose(cal(*data, neighbours=k), loop(*data, k), rtol=1e-7)
    np.testing.assert_allclose(cal(*(x.float() for x in data), neighbours=k), loop(*data, k), rtol=1e-4)


def test_equally_near_neighbours_are_taken_by_row_wherever_the_sample_stands():
    z, logits, known, known_logits = pools(rows=300, known=6)
    known = known[torch.arange(6) % 2]  # every neighbour three times, with other predictions
    known_logits[0], known_logits[1] = torch.tensor([9.0, 0, 0, 0]), torch.tensor([9.0, 0, 0, 0])
    z[:] = z[0]
    value = cal(z.float(), logits[:1].expand(300, -1), known.float(), known_logits, neighbours=1)
    assert len(set(value.tolist())) == 1
    near = int(torch.cosine_similarity(known[:2], z[:1]).argmax())
    np.testing.assert_allclose(
        value[0], loop(z[:1], logits[:1], known[near : near + 1], known_logits[near : near + 1], 1)
    )


def test_saturated_predictions_stay_finite_and_zero_vectors_have_neighbours():
    z, logits, known, known_logits = pools()
    z[3] = 0
    value = cal(z, logits.sign() * 1e4, known, known_logits.sign() * 1e4)
    assert torch.isfinite(value).all()
    assert (value >= 0).all()


def test_errors():
    z, logits, known, known_logits = pools()
    with pytest.raises(AutoALError, match="neighbours=0"):
        cal(z, logits, known, known_logits, neighbours=0)
    with pytest.raises(AutoALError, match="labelled_embeddings"):
        cal(z, logits, known[:0], known_logits[:0])
