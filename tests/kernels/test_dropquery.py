"""DropQuery: whose prediction flips, who is a candidate, and who is picked."""

import numpy as np
import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import dropquery, kmeans
from autoal.kernels.dropquery import flips
from autoal.kernels.unit import unit_rows
from autoal.rng import sample_uniform, stream_seed


def pool(rows=200, classes=4, dim=12, seed=0):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, dim, generator=g)
    weight, bias = torch.randn(classes, dim, generator=g), 0.1 * torch.randn(classes, generator=g)
    return z, z @ weight.T + bias, weight, bias


def counted(z, logits, weight, bias, key, ids, repetitions, dropout):
    """One sample and one mask at a time."""
    out = []
    for i in range(len(z)):
        total = 0
        for r in range(repetitions):
            u = sample_uniform(stream_seed(key, "dropout", r), ids[i : i + 1], z.shape[1], torch.float64)[0]
            dropped = np.where(u.numpy() >= dropout, z[i].double().numpy() / (1 - dropout), 0.0)
            total += int(
                (weight.double().numpy() @ dropped + bias.double().numpy()).argmax() != logits[i].argmax()
            )
        out.append(total)
    return out


def test_flips_are_those_of_a_loop_with_masks_by_id():
    z, logits, weight, bias = pool(40)
    ids = torch.randperm(1000, generator=torch.Generator().manual_seed(1))[:40]
    got = flips(z, logits, weight, bias, 7, ids, repetitions=3, dropout=0.6)
    assert got.tolist() == counted(z, logits, weight, bias, 7, ids, 3, 0.6)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    again = flips(z[order], logits[order], weight, bias, 7, ids[order], repetitions=3, dropout=0.6)
    assert torch.equal(again, got[order])
    assert not torch.equal(got, flips(z, logits, weight, bias, 8, ids, repetitions=3, dropout=0.6))


def test_the_threshold_falls_when_candidates_are_few():
    z, logits, weight, bias = pool(400)
    count = flips(z, logits, weight, bias, 3)
    many, some = int((count > 1).sum()), int((count > 0).sum())
    assert 0 < many < some
    generator = torch.Generator().manual_seed(0)
    strict = dropquery(z, logits, weight, bias, 2, 3, generator)
    assert (strict.log["candidates"], strict.log["threshold"]) == (many, 1)
    loose = dropquery(z, logits, weight, bias, many // 25 + 1, 3, generator)
    assert (loose.log["candidates"], loose.log["threshold"]) == (some, 0)


def test_the_batch_is_k_means_on_the_candidates_directions():
    z, logits, weight, bias = pool(400)
    rows = (flips(z, logits, weight, bias, 3) > 1).nonzero().squeeze(1)
    want = rows[kmeans(unit_rows(z[rows]), 5, torch.Generator().manual_seed(4)).index]
    picks = dropquery(z, logits, weight, bias, 5, 3, torch.Generator().manual_seed(4))
    assert picks.index.tolist() == want.tolist()
    assert (picks.score >= 2).all()


def test_too_few_candidates_are_all_taken_and_filled_up_at_random():
    z, logits, weight, bias = pool(60)
    logits = torch.zeros(60, 4)
    logits[:, 0] = 1
    z, weight = torch.zeros(60, 12), torch.zeros(4, 12)
    bias = torch.tensor([1.0, 0, 0, 0])
    logits[[4, 9], 1] = 2  # the head says 0: these two flip whatever is dropped
    batches = set()
    for seed in range(5):
        picks = dropquery(z, logits, weight, bias, 6, 0, torch.Generator().manual_seed(seed))
        assert picks.index[:2].tolist() == [4, 9]
        assert picks.log["filled"] == 4
        batches.add(tuple(picks.index.tolist()))
    assert len(batches) > 1


def test_repeated_candidates_still_give_distinct_picks():
    z, logits, weight, bias = pool(10)
    order = torch.arange(10).repeat(20)
    picks = dropquery(z[order], logits[order], weight, bias, 60, 0, torch.Generator().manual_seed(0))
    assert len(set(picks.index.tolist())) == 60


def test_errors():
    z, logits, weight, bias = pool(10)
    for bad in ({"repetitions": 0}, {"dropout": 1.0}, {"dropout": 0.0}, {"enough": 0.5}):
        with pytest.raises(AutoALError, match=f"{next(iter(bad))}="):
            dropquery(z, logits, weight, bias, 2, 0, torch.Generator(), **bad)
    with pytest.raises(AutoALError, match=r"weight has shape \(3, 12\)"):
        dropquery(z, logits, weight[:3], bias, 2, 0, torch.Generator())
