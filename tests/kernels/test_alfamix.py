import numpy as np
import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import alfamix
from autoal.kernels.alfamix import candidate_rows
from autoal.kernels.alfamix_search import Mixing, caps, class_means, learned_search, loop_search, ray_search

from .oracles import alfamix_loop


def problem(rows=600, dim=24, classes=6, seed=0, dtype=torch.float64, relu=False, certain=1.0):
    g = torch.Generator().manual_seed(seed)
    make = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    h, labelled = make(rows, dim), make(50, dim) * 1.5
    if relu:
        h, labelled = h.relu(), labelled.relu()
    weight, bias = certain * make(classes, dim) / dim**0.5, 0.1 * make(classes)
    targets = torch.randint(classes, (50,), generator=g)
    h, labelled, weight, bias = (v.to(dtype) for v in (h, labelled, weight, bias))
    return h, h @ weight.T + bias, labelled, targets, weight, bias


def mixing_of(h, logits, labelled, targets, weight, bias):
    return Mixing(h, logits.argmax(1), class_means(labelled, targets, len(bias)).to(h.dtype), weight, bias)


def test_caps_of_the_published_loop():
    assert caps(0.2) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert len(caps(1 / 32)) == 32
    assert caps(0.3)[-1] == pytest.approx(1.2)  # the published loop steps once past 1
    assert caps(1.0) == [1.0]


def test_class_means_with_an_unseen_class():
    x = torch.tensor([[1.0, 0], [3, 0], [0, 8]])
    means = class_means(x, torch.tensor([0, 0, 2]), 4)
    want = [[2, 0], [4 / 3, 8 / 3], [0, 8], [4 / 3, 8 / 3]]
    torch.testing.assert_close(means, torch.tensor(want, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [5, 150, 599])
def test_ray_and_loop_find_the_candidates_of_the_definition(seed, n):
    inputs = problem(seed=seed, certain=3.0)
    mixing = mixing_of(*inputs)
    want, cap = alfamix_loop(mixing.h, mixing.y.numpy(), mixing.anchors, mixing.weight, mixing.bias, caps(0.2), n)
    rows, ray_cap = candidate_rows(ray_search(mixing).cap, n, 0.2, exact=True)
    assert 0 < len(want) < 600
    assert rows.tolist() == want.tolist()
    assert ray_cap == pytest.approx(cap)
    rows, loop_cap = candidate_rows(loop_search(mixing, n, 0.2).cap, n, 0.2, exact=False)
    assert rows.tolist() == want.tolist()
    assert loop_cap == pytest.approx(cap)


def test_the_documented_exception_is_coordinates_that_agree_exactly():
    inputs = problem(relu=True, certain=3.0)
    inputs[2][:, :6] = 0  # dead units: anchors are exactly 0 where many samples are too
    mixing = mixing_of(*inputs)
    ray = set(candidate_rows(ray_search(mixing).cap, 10, 0.2, exact=True)[0].tolist())
    loop = set(candidate_rows(loop_search(mixing, 10, 0.2).cap, 10, 0.2, exact=False)[0].tolist())
    agree = ((mixing.anchors[:, None] - mixing.h).abs().min(0).values == 0).any(1)
    assert ray ^ loop <= set(agree.nonzero().squeeze(1).tolist())


def test_float32_and_half_precision_agree_with_float64():
    inputs = problem(rows=3000, certain=3.0)
    exact = ray_search(mixing_of(*inputs)).cap
    single = ray_search(mixing_of(*(v.float() if v.is_floating_point() else v for v in inputs))).cap
    both = torch.isfinite(exact)
    assert (both == torch.isfinite(single)).all()
    torch.testing.assert_close(single[both].double(), exact[both], rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("mode", ["closed_form", "reference"])
@pytest.mark.parametrize("gap", [150.0, 1e4])
def test_a_saturated_sample_is_never_a_candidate(mode, gap):
    # Without the guard, 0 / 0 makes NaN logits, whose argmax is class 0: the surest samples became candidates.
    h, logits, labelled, targets, weight, bias = problem(dtype=torch.float32, certain=3.0)
    sure = torch.arange(0, 600, 3)
    target = torch.randint(1, 6, (200,), generator=torch.Generator().manual_seed(1))
    direction = torch.linalg.pinv(weight - weight.mean(0))[:, target].T
    h[sure] = gap * direction
    logits = h @ weight.T + bias
    assert (logits[sure].argmax(1) == target).all()
    mixing = mixing_of(h, logits, labelled, targets, weight, bias)
    search = ray_search(mixing) if mode == "closed_form" else loop_search(mixing, 500, 0.2)
    assert torch.isinf(search.cap[sure]).all()
    assert torch.isfinite(search.cap).any()


def test_picks_are_candidates_and_spread_over_them():
    inputs = problem(certain=3.0)
    picks = alfamix(*inputs, 10, torch.Generator().manual_seed(0))
    rows, _ = candidate_rows(ray_search(mixing_of(*inputs)).cap, 10, 0.2, exact=True)
    assert picks.log["candidates"] == len(rows) > 10
    assert set(picks.index.tolist()) <= set(rows.tolist())
    assert picks.log["filled"] == 0
    same = alfamix(*inputs, 10, torch.Generator().manual_seed(0), mode="reference")
    assert same.index.tolist() == picks.index.tolist()


@pytest.mark.parametrize("mode", ["closed_form", "reference", "alpha_opt", "random_alpha"])
def test_fill_up_without_repetition(mode):
    # The head is constant: nothing ever flips, so there is no candidate at all.
    h, _, labelled, targets, weight, _ = problem(rows=80)
    bias = torch.tensor([5.0, 0, 0, 0, 0, 0], dtype=torch.float64)
    picks = alfamix(
        h, bias.expand(80, 6), labelled, targets, 0 * weight, bias, 60, torch.Generator().manual_seed(0), mode=mode
    )
    assert len(set(picks.index.tolist())) == 60
    assert picks.log["candidates"] == 0
    assert picks.log["filled"] == 60
    assert picks.score.eq(0).all()


def test_few_candidates_come_first_then_random_rows():
    inputs = problem(certain=3.0)
    rows, _ = candidate_rows(ray_search(mixing_of(*inputs)).cap, 590, 0.2, exact=True)
    assert 0 < len(rows) < 590
    picks = alfamix(*inputs, 590, torch.Generator().manual_seed(0))
    assert sorted(picks.index[: len(rows)].tolist()) == rows.tolist()
    assert len(set(picks.index.tolist())) == 590
    assert picks.score[: len(rows)].diff().le(0).all()
    assert picks.score[len(rows) :].eq(0).all()
    other = alfamix(*inputs, 590, torch.Generator().manual_seed(1))
    assert not torch.equal(other.index, picks.index)


def test_learned_alpha_follows_autograd_and_adam():
    """One step per iteration from the same start, with torch's own gradients and optimiser."""
    h, logits, labelled, targets, weight, bias = problem(rows=40, dim=5, classes=3, certain=4.0)
    mixing = mixing_of(h, logits, labelled, targets, weight, bias)
    cap, seed = 0.5, 3
    ours = learned_search(mixing, 40, torch.Generator().manual_seed(seed), cap, 5, 0.1, 1.0, 0.01)
    generator = torch.Generator().manual_seed(seed)
    flipped = torch.zeros(40, dtype=torch.bool)
    first_cap = torch.full((40,), torch.inf, dtype=torch.float64)
    for c in (0.5, 1.0):
        for anchor in mixing.anchors:
            still = (~flipped).nonzero().squeeze(1)
            noise = torch.randn(len(still), 5, generator=generator, dtype=torch.float64)
            alpha = (c / 2 + c / 2 * noise).clamp(1e-8, c).requires_grad_(True)
            hits = torch.zeros(len(still), dtype=torch.bool)
            for i in range(5):
                optimiser = torch.optim.Adam([alpha], lr=0.1 if i < 10 / 3 else 0.01)
                out = ((1 - alpha) * h[still] + alpha * anchor) @ weight.T + bias
                hits |= out.detach().argmax(1) != mixing.y[still]
                loss = -torch.nn.functional.cross_entropy(out, mixing.y[still], reduction="sum")
                (loss + 0.01 * alpha.norm(dim=1).sum()).backward()
                optimiser.step()
                alpha.grad = None
                with torch.no_grad():
                    alpha.clamp_(1e-8, c)
            flipped[still[hits]] = True
            first_cap[still[hits]] = c
    assert flipped.any()
    assert not flipped.all()
    torch.testing.assert_close(ours.cap, first_cap)


def test_learning_finds_more_than_chance():
    inputs = problem(certain=3.0)
    options = {"alpha_cap": 1.0, "generator": torch.Generator().manual_seed(0)}
    learned = alfamix(*inputs, 5, mode="alpha_opt", **options).log
    chance = alfamix(*inputs, 5, mode="random_alpha", **options).log
    assert learned["candidates"] > chance["candidates"] > 0
    assert 0 < learned["alpha_norm_mean"] <= 24**0.5


def test_options_and_shapes_are_checked():
    inputs = list(problem(rows=20))
    g = torch.Generator()
    with pytest.raises(AutoALError, match="Did you mean 'closed_form'"):
        alfamix(*inputs, 2, g, mode="closedform")
    for cap in (0.0, 1.5, float("nan")):
        with pytest.raises(AutoALError, match=f"alpha_cap={cap}"):
            alfamix(*inputs, 2, g, alpha_cap=cap)
    with pytest.raises(AutoALError, match="learning_iterations=0"):
        alfamix(*inputs, 2, g, learning_iterations=0)
    for place, bad, message in [
        (3, torch.full((50,), 6), "from 6 to 6"),
        (3, torch.zeros(50), "float32"),
        (4, inputs[4][:5], "head_weight has shape"),
        (5, inputs[5][:5], "head_bias has shape"),
        (2, inputs[2][:0], "labelled_embeddings has shape"),
        (0, inputs[0] * np.nan, "embeddings holds the value nan"),
    ]:
        changed = inputs.copy()
        changed[place] = bad
        with pytest.raises(AutoALError, match=message):
            alfamix(*changed, 2, g)
