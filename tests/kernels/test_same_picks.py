"""The same pool gives the same picks: any cache, block size, number of ranks and threads, with repeated rows."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autoal.kernels as kernels
from autoal.distributed import World
from autoal.kernels import checks
from autoal.kernels.sharded import sharded_badge, sharded_kcenter, sharded_kmeans

from .oracles import greedy_k_center, squared_distances

SETTINGS = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Ranks:
    """Ranks as threads of this process, which meet at every collective."""

    def __init__(self, size):
        self.size = size
        self.barrier = threading.Barrier(size)
        self.box = [None] * size

    def exchange(self, rank, value):
        self.box[rank] = value
        self.barrier.wait()
        found = list(self.box)
        self.barrier.wait()
        return found

    def run(self, function):
        """What every rank returns; the first error of any of them."""
        results, errors = [None] * self.size, []

        def work(rank):
            try:
                results[rank] = function(ThreadWorld(rank, self.size, ranks=self))
            except BaseException as error:
                errors.append(error)
                self.barrier.abort()

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(self.size)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        if errors:
            raise errors[0]
        return results


class ThreadWorld(World):
    def __init__(self, rank, size, ranks):
        super().__init__(rank, size)
        object.__setattr__(self, "ranks", ranks)

    def sum(self, tensor):
        return torch.stack(self.ranks.exchange(self.rank, tensor)).sum(0)

    def largest(self, values):
        return [max(column) for column in zip(*self.ranks.exchange(self.rank, list(values)), strict=True)]

    def gather_rows(self, rows, n_total):
        out = torch.empty((n_total, *rows.shape[1:]), dtype=rows.dtype)
        for rank, part in enumerate(self.ranks.exchange(self.rank, rows)):
            out[rank :: self.size] = part
        return out


@st.composite
def pools(draw):
    """Rows of which most are repeated, in any order, at any offset, or that differ by permuted coordinates."""
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    rows, distinct, dim = draw(st.integers(30, 160)), draw(st.integers(5, 60)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from([torch.float32, torch.float64, torch.float16]))
    kind = draw(st.sampled_from(["plain", "integers", "permuted", "one-hot", "outlier", "tight"]))
    base = torch.randn(distinct, dim, generator=g, dtype=torch.float64)
    if kind == "integers":
        base = base.mul(2).round()
    elif kind == "permuted":
        base = torch.stack([base[0][torch.randperm(dim, generator=g)] for _ in range(distinct)])
    elif kind == "one-hot":
        base = torch.eye(distinct, dtype=torch.float64)
    elif kind == "outlier":
        base[0] *= 1e3
    elif kind == "tight":
        base = torch.cat([base[: distinct // 2] * 1e-3 + 3, base[distinct // 2 :]])
    which = torch.randint(distinct, (rows,), generator=g)
    logits = torch.randn(distinct, 4, generator=g, dtype=torch.float64)
    logits *= draw(st.sampled_from([1.0, 20.0]))
    labelled = draw(st.one_of(st.none(), st.integers(1, 8)))
    start = None if labelled is None else base[:labelled].to(dtype)
    return base[which].to(dtype), logits[which].to(dtype), start, draw(st.integers(1, min(40, rows)))


def rng():
    return torch.Generator().manual_seed(5)


def kcenter_oracle(x, n, labelled):
    x = x.double().numpy()
    first = None
    if labelled is not None:
        first = np.min([squared_distances(x, c) for c in labelled.double().numpy()], axis=0)
    else:
        near = squared_distances(x, x.mean(0))
        first = int(np.flatnonzero(near <= near.min() * (1 + 1e-9))[0])
    return greedy_k_center(lambda i: squared_distances(x, x[i]), n, first, tie=1e-9)[0]


@SETTINGS
@given(pools(), st.integers(1, 40))
def test_k_center_is_the_definition_with_every_cache_size(pool, cache_size):
    x, _, labelled, n = pool
    want = kcenter_oracle(x, n, labelled)
    assert kernels.kcenter(x, n, labelled, cache_size=cache_size).index.tolist() == want
    assert kernels.kcenter(x, n, labelled).index.tolist() == want


BATCH = {
    "kcenter": lambda x, logits, labelled, n: kernels.kcenter(x, n, labelled, cache_size=13),
    "badge": lambda x, logits, labelled, n: kernels.badge(logits, x, n, rng()),
    "cdal": lambda x, logits, labelled, n: kernels.cdal(logits, n, cache_size=13),
    "kmeans": lambda x, logits, labelled, n: kernels.kmeans(x, n, rng(), max_iter=20),
    "kmeans_weighted": lambda x, logits, labelled, n: kernels.kmeans(x, n, rng(), kernels.margin(logits), 20),
    "kmeans_minibatch": lambda x, logits, labelled, n: kernels.kmeans(x, n, rng(), max_iter=5, batch_size=20),
    "diverse_minibatch": lambda x, logits, labelled, n: kernels.diverse_minibatch(logits, x, n, rng(), beta=2),
}


@pytest.mark.parametrize("examples", [2, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BATCH)
def test_same_picks_in_blocks_of_every_size_and_with_two_threads(name, examples, monkeypatch):
    @settings(SETTINGS, max_examples=examples)
    @given(pools(), st.sampled_from([600, 6000]))
    def check(pool, size):
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            want = BATCH[name](*pool).index.tolist()
            torch.set_num_threads(2)
            with monkeypatch.context() as patch:
                patch.setattr(checks, "_BLOCK_BYTES", size)
                assert BATCH[name](*pool).index.tolist() == want
        finally:
            torch.set_num_threads(before)

    check()


@pytest.mark.parametrize("size", [1, 2, pytest.param(3, marks=pytest.mark.slow), 4])
def test_same_picks_on_every_number_of_ranks(size):
    @settings(SETTINGS, max_examples=12)
    @given(pools(), st.integers(1, 40))
    def check(pool, cache_size):
        x, logits, labelled, n = pool
        rows = len(x)

        def work(world):
            mine, own = world.shard(x), world.shard(logits)
            return (
                sharded_kcenter(mine, rows, n, world, labelled, cache_size).index.tolist(),
                sharded_badge(own, mine, rows, n, rng(), world).index.tolist(),
                sharded_kmeans(mine, rows, n, rng(), world, max_iter=20).index.tolist(),
            )

        want = (
            kernels.kcenter(x, n, labelled).index.tolist(),
            kernels.badge(logits, x, n, rng()).index.tolist(),
            kernels.kmeans(x, n, rng(), max_iter=20).index.tolist(),
        )
        for found in Ranks(size).run(work):
            assert found == want

    check()


@pytest.mark.parametrize("cache_size", [1, 16, 64, 1024])
def test_of_repeated_rows_the_first_is_picked(cache_size):
    # Rows equal to the letter got distances that differ in the last bit: row 293 was picked for its repetition 93.
    g = torch.Generator().manual_seed(3)
    x = torch.randn(301, 9, generator=g, dtype=torch.float64) + torch.arange(301)[:, None] % 7
    torch.randn(301, 5, generator=g, dtype=torch.float64)
    x = x[torch.arange(301) % 100]
    labelled = torch.randn(11, 9, generator=g, dtype=torch.float64)
    picks = kernels.kcenter(x, 40, labelled, cache_size=cache_size).index.tolist()
    assert max(picks) < 100
    assert picks == kcenter_oracle(x, 40, labelled)


@SETTINGS
@given(pools(), st.sampled_from(["margin", "entropy", "least_confidence"]), st.sampled_from([600, 2 << 20]))
def test_repeated_rows_have_equal_scores(pool, name, size):
    _, logits, _, _ = pool
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_BLOCK_BYTES", size)
        score = getattr(kernels, name)(logits)
    _, group = torch.unique(logits, dim=0, return_inverse=True)
    for which in range(int(group.max()) + 1):
        assert torch.unique(score[group == which]).numel() == 1
    best = kernels.top_n(score, len(score))
    pairs = score[best[:-1]] == score[best[1:]]
    assert (best[:-1] < best[1:])[pairs].all()
