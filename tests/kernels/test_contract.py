"""What every batch kernel promises, on pools that hypothesis makes as nasty as it can."""

import inspect
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autoal.kernels as kernels
from autoal.errors import AutoALError

SETTINGS = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def _alfamix(mode):
    def run(logits, x, n, generator, side):
        targets = torch.arange(side["x"].shape[0]) % logits.shape[1]
        g = torch.Generator().manual_seed(0)
        weight = torch.randn(logits.shape[1], x.shape[1], generator=g).to(x)
        bias = torch.zeros(logits.shape[1]).to(x)
        return kernels.alfamix(x, logits, side["x"], targets, weight, bias, n, generator, mode=mode, alpha_cap=0.5)

    return run


def _known(side):
    rows = min(len(side["x"]), len(side["logits"]))
    return side["x"][:rows], side["logits"][:rows]


def _head(logits, x):
    g = torch.Generator().manual_seed(0)
    return torch.randn(logits.shape[1], x.shape[1], generator=g).to(x), torch.zeros(logits.shape[1]).to(x)


def _passes(logits):
    kernels.entropy(logits)  # names the row of what is not finite
    return torch.stack([logits, logits.flip(1), torch.zeros_like(logits)])


def _shown(logits, x):
    """Embeddings, for kernels that never see the logits; these still have to be finite here."""
    kernels.entropy(logits)
    return x


BATCH = {
    "kmeans": lambda logits, x, n, g, side: kernels.kmeans(x, n, g),
    "kmeans_weighted": lambda logits, x, n, g, side: kernels.kmeans(x, n, g, weights=kernels.margin(logits)),
    "kmeans_minibatch": lambda logits, x, n, g, side: kernels.kmeans(x, n, g, batch_size=4, max_iter=5),
    "kcenter": lambda logits, x, n, g, side: kernels.kcenter(x, n, side["x"], cache_size=5),
    "kcenter_cold": lambda logits, x, n, g, side: kernels.kcenter(x, n),
    "kcenter_pca": lambda logits, x, n, g, side: kernels.kcenter_pca(x, n, side["x"], components=2),
    "herding": lambda logits, x, n, g, side: kernels.herding(x, n, side["x"], kernels.margin(logits).exp()),
    "herding_cold": lambda logits, x, n, g, side: kernels.herding(x, n),
    "herding_raw": lambda logits, x, n, g, side: kernels.herding(x, n, side["x"], normalise=False),
    "herding_top_hat": lambda logits, x, n, g, side: kernels.herding(x, n, kernel="top_hat", bandwidth=0.5),
    "probcover": lambda logits, x, n, g, side: kernels.probcover(x, n, 0.6, side["x"]),
    "probcover_cold": lambda logits, x, n, g, side: kernels.probcover(x, n, 0.6),
    "typiclust": lambda logits, x, n, g, side: kernels.typiclust(x, n, g, side["x"]),
    "typiclust_cold": lambda logits, x, n, g, side: kernels.typiclust(x, n, g, max_clusters=3),
    "activeft": lambda logits, x, n, g, side: kernels.activeft(x, n, g, side["x"], steps=3),
    "activeft_cold": lambda logits, x, n, g, side: kernels.activeft(x, n, g, steps=3, lr=0.1),
    "dcom": lambda logits, x, n, g, side: kernels.dcom(x, logits, n, side["x"], torch.arange(len(side["x"])) % 2),
    "dcom_cold": lambda logits, x, n, g, side: kernels.dcom(x, logits, n, None, None),
    "badge": lambda logits, x, n, g, side: kernels.badge(logits, x, n, g),
    "bait": lambda logits, x, n, g, side: kernels.bait(x, logits, n, *_known(side), refresh=3),
    "bait_cold": lambda logits, x, n, g, side: kernels.bait(x, logits, n),
    "bait_top2": lambda logits, x, n, g, side: kernels.bait(x, logits, n, *_known(side), form="top2"),
    "bait_full": lambda logits, x, n, g, side: kernels.bait(x, logits, n, form="full"),
    "batchbald": lambda logits, x, n, g, side: kernels.batchbald(_passes(logits), n, g, configurations=16),
    "clue": lambda logits, x, n, g, side: kernels.clue(x, logits, n, g, temperature=0.1),
    "cluster_margin": lambda logits, x, n, g, side: kernels.cluster_margin(
        logits, kernels.average_linkage(x, g, exact_limit=12, micro_clusters=5)[0], n, factor=2
    ),
    "dropquery": lambda logits, x, n, g, side: kernels.dropquery(x, logits, *_head(logits, x), n, 5, g),
    "falcun": lambda logits, x, n, g, side: kernels.falcun(logits, n, g),
    "flcg": lambda logits, x, n, g, side: kernels.flcg(_shown(logits, x), n, side["x"]),
    "flqmi": lambda logits, x, n, g, side: kernels.flqmi(_shown(logits, x), side["x"], n),
    "ldm_s": lambda logits, x, n, g, side: kernels.ldm_s(_shown(logits, x), *_head(logits, x), n, g, draws=1),
    "noise_stability": lambda logits, x, n, g, side: kernels.noise_stability(
        _shown(logits, x), *_head(logits, x), n, g, draws=2
    ),
    "power": lambda logits, x, n, g, side: kernels.stochastic_batch(kernels.margin(logits), n, 7),
    "softmax": lambda logits, x, n, g, side: kernels.stochastic_batch(
        kernels.margin(logits), n, 7, form="softmax"
    ),
    "softrank": lambda logits, x, n, g, side: kernels.stochastic_batch(
        kernels.cal(x, logits, *_known(side), neighbours=3), n, 7, form="softrank"
    ),
    "cdal": lambda logits, x, n, g, side: kernels.cdal(logits, n, side["logits"], cache_size=5),
    "cdal_cold": lambda logits, x, n, g, side: kernels.cdal(logits, n),
    "diverse_minibatch": lambda logits, x, n, g, side: kernels.diverse_minibatch(logits, x, n, g, beta=3),
    "alfamix": _alfamix("closed_form"),
    "alfamix_reference": _alfamix("reference"),
    "alfamix_alpha_opt": _alfamix("alpha_opt"),
    "alfamix_random_alpha": _alfamix("random_alpha"),
}


@st.composite
def pools(draw):
    """Repeated rows, constant and zero features, few rows and many classes, saturated logits, all types."""
    rows, dim, classes = draw(st.integers(1, 24)), draw(st.integers(1, 5)), draw(st.integers(1, 30))
    n = draw(st.sampled_from([1, rows, max(1, rows // 2)]))
    dtype = draw(st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    kind = draw(st.sampled_from(["plain", "constant", "zero", "repeated", "far", "mixed scales"]))
    x = torch.randn(rows, dim, generator=g, dtype=torch.float64)
    if kind == "constant":
        x = torch.full_like(x, 7.3)
    elif kind == "zero":
        x = torch.zeros_like(x)
    elif kind == "repeated":
        x = x[torch.randint(max(1, rows // 4), (rows,), generator=g)]
    elif kind == "far":
        x = x * 1e-3 + 1e4
    elif kind == "mixed scales":
        x = x * 10 ** (8 * torch.rand(rows, 1, generator=g, dtype=torch.float64) - 4)
    scale = draw(st.sampled_from([0.0, 1.0, 30.0, 1e4]))
    logits = (torch.randn(rows, classes, generator=g, dtype=torch.float64) * scale).clamp(-6e4, 6e4)
    if draw(st.booleans()):
        logits = logits.sign() * 1e4
    labelled = draw(st.integers(1, 6))
    side_x = x[:labelled] if draw(st.booleans()) else torch.randn(labelled, dim, generator=g, dtype=torch.float64)
    side_logits = torch.randn(labelled, classes, generator=g, dtype=torch.float64)
    side = {"x": side_x.to(dtype), "logits": side_logits.to(dtype)}
    return logits.to(dtype), x.to(dtype), n, side


@pytest.mark.parametrize("name", BATCH)
def test_exactly_n_unique_valid_rows(name):
    @SETTINGS
    @given(pools())
    def check(pool):
        logits, x, n, side = pool
        before = [t.clone() for t in (logits, x, *side.values())]
        state = torch.get_rng_state()
        picks = BATCH[name](logits, x, n, torch.Generator().manual_seed(0), side)
        assert isinstance(picks, kernels.Picks)
        assert picks.index.dtype == torch.int64
        assert picks.index.shape == picks.score.shape == (n,)
        assert len(set(picks.index.tolist())) == n
        assert int(picks.index.min()) >= 0
        assert int(picks.index.max()) < len(logits)
        assert torch.isfinite(picks.score).all()
        assert all(isinstance(v, float) and math.isfinite(v) for v in picks.log.values())
        assert all(torch.equal(a, b) for a, b in zip(before, (logits, x, *side.values()), strict=True))
        assert torch.equal(torch.get_rng_state(), state)
        again = BATCH[name](logits, x, n, torch.Generator().manual_seed(0), side)
        assert torch.equal(again.index, picks.index)

    check()


@pytest.mark.parametrize("name", BATCH)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_one_clear_error_for_what_is_not_finite(name, bad):
    logits, x = torch.zeros(9, 3), torch.randn(9, 4)
    logits[5, 1] = x[6, 2] = bad
    side = {"x": torch.randn(2, 4), "logits": torch.zeros(2, 3)}
    with pytest.raises(AutoALError, match=r"holds the value (nan|inf) in row [56]") as error:
        BATCH[name](logits, x, 2, torch.Generator(), side)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", BATCH)
@pytest.mark.parametrize("n", [-1, 0, 10])
def test_one_clear_error_for_impossible_counts(name, n):
    logits, x = torch.randn(9, 3), torch.randn(9, 4)
    side = {"x": torch.randn(2, 4), "logits": torch.zeros(2, 3)}
    with pytest.raises(AutoALError, match=f"n={n} "):
        BATCH[name](logits, x, n, torch.Generator(), side)


def test_names_are_functions_and_documented():
    for name in kernels.__all__:
        thing = getattr(kernels, name)
        assert callable(thing), name
        assert inspect.getdoc(thing), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", [name for name in BATCH if "alpha_" not in name and "random" not in name])
def test_on_an_accelerator_the_picks_are_those_of_the_cpu(name):
    g = torch.Generator().manual_seed(0)
    logits, x = (
        torch.randn(500, 5, generator=g, dtype=torch.float64),
        torch.randn(500, 8, generator=g, dtype=torch.float64),
    )
    side = {"x": torch.randn(9, 8, generator=g, dtype=torch.float64), "logits": torch.randn(9, 5, generator=g)}
    here = BATCH[name](logits, x, 40, torch.Generator().manual_seed(1), side)
    there = BATCH[name](
        logits.cuda(), x.cuda(), 40, torch.Generator().manual_seed(1), {k: v.cuda() for k, v in side.items()}
    )
    assert there.index.is_cuda
    assert there.index.tolist() == here.index.tolist()
