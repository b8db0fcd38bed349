from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
import torch

from autoal.learned.loss_prediction import ranking_loss
from autoal.search.mixture import fit_mixture, gmm_threshold, quantile_threshold
from autoal.search.objective import anchor_loss, budget_loss, search_loss, standardise
from autoal.search.options import SearchOptions
from autoal.search.scoring import OBJECTIVES, combine, released_gates, sigmoid_gates, softmax_gates


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_nominated_sample_outranks_one_that_nobody_voted_for() -> None:
    weights = OBJECTIVES["softmax"].weights(torch.randn(50, 4, generator=generator()) * 10)
    votes = torch.zeros(50, 4)
    votes[:25] = torch.eye(4)[torch.randint(0, 4, (25,), generator=generator())]
    score = combine(weights, votes)
    assert score[:25].min() > score[25:].max()


def test_softmax_gates_have_mean_one_and_skip_the_rest() -> None:
    nominated = torch.tensor([True, False, True, True])
    gates = softmax_gates(torch.tensor([0.1, 9.0, 0.3, 0.2]), nominated, 0.1)
    assert gates.mean().item() == pytest.approx(1.0)
    assert gates[1] == 0
    assert gates[2] > gates[3] > gates[0] > 0


def test_gates_without_a_nomination_are_zero_and_finite() -> None:
    score = torch.zeros(4, requires_grad=True)
    gates = softmax_gates(score, torch.zeros(4, dtype=torch.bool), 0.1)
    gates.sum().backward()
    assert gates.tolist() == [0, 0, 0, 0]
    assert torch.isfinite(score.grad).all()


def test_sigmoid_gates_open_at_the_threshold() -> None:
    gates = sigmoid_gates(torch.tensor([0.2, 0.5, 0.8]), torch.tensor([True, True, False]), 0.5, 0.1)
    assert gates[0] < 0.5
    assert gates[1] == 0.5
    assert gates[2] == 0


def test_expected_count() -> None:
    assert OBJECTIVES["sigmoid"].expected(torch.tensor([0.5, 1.0, 0.25])) == 1.75
    equal_pair = torch.tensor([2.0, 0.0, 2.0, 0.0])
    assert OBJECTIVES["softmax"].expected(equal_pair) == 2.0


def test_the_words_of_the_objective() -> None:
    """What each objective makes of the same scores, and what the budget penalty counts."""
    assert set(OBJECTIVES) == set(get_args(get_type_hints(SearchOptions)["objective"]))
    logits = torch.randn(6, 3, generator=generator())
    scores, nominated = torch.tensor([0.1, 0.9, 0.5]), torch.tensor([True, True, False])
    whole = torch.arange(10.0) / 10
    levels: list[torch.Tensor] = []

    def threshold(values: torch.Tensor) -> float:
        levels.append(values)
        return 0.5

    gates = {k: o.gates(scores, nominated, whole, threshold, 0.2) for k, o in OBJECTIVES.items()}
    torch.testing.assert_close(gates["softmax"], softmax_gates(scores, nominated, 0.2))
    torch.testing.assert_close(gates["sigmoid"], sigmoid_gates(scores, nominated, 0.5, 0.2))
    torch.testing.assert_close(gates["released"], released_gates(scores, 0.5))
    assert [len(v) for v in levels] == [10, 3]
    assert OBJECTIVES["released"].weights(logits) is logits
    torch.testing.assert_close(OBJECTIVES["sigmoid"].weights(logits).sum(1), torch.ones(6))
    assert OBJECTIVES["released"].count(torch.tensor([0.4, 0.6, 1.0])) == 2
    assert OBJECTIVES["sigmoid"].count(torch.tensor([0.4, 0.6, 1.0])) == 2.0
    assert [k for k, o in OBJECTIVES.items() if o.relative] == ["softmax"]


def test_released_gates_have_no_gradient() -> None:
    score = torch.randn(40, generator=generator(), requires_grad=True)
    threshold = quantile_threshold(torch.softmax(score.detach(), 0), 0.1)
    released_gates(score, threshold).sum().backward()
    assert torch.count_nonzero(score.grad) == 0


def test_quantile_threshold_leaves_the_share_above() -> None:
    scores = torch.arange(100.0)
    assert (scores > quantile_threshold(scores, 0.1)).sum() == 10


def test_gmm_threshold_leaves_about_the_share_above_at_any_scale() -> None:
    scores = torch.cat(
        [torch.randn(600, generator=generator()) * 0.1, 2 + torch.randn(200, generator=generator(1))]
    )
    for scale in (1.0, 1e-5, 1e4):
        level = gmm_threshold(scores * scale, 0.1, 5, generator())
        assert 0.07 < (scores * scale > level).float().mean() < 0.13


def test_gmm_threshold_depends_on_neither_order_nor_hidden_state() -> None:
    scores = torch.rand(200, generator=generator())
    order = torch.randperm(200, generator=generator(1))
    torch.manual_seed(1)
    first = gmm_threshold(scores, 0.2, 5, generator(3))
    torch.manual_seed(2)
    assert first == gmm_threshold(scores[order], 0.2, 5, generator(3))


@pytest.mark.parametrize("scores", [torch.zeros(10), torch.tensor([0.0, 1.0]), torch.tensor([0.3])])
def test_gmm_threshold_of_degenerate_scores_is_finite(scores: torch.Tensor) -> None:
    level = gmm_threshold(scores, 0.5, 5, generator())
    assert -1 <= level <= 2


def test_mixture_finds_two_separate_groups() -> None:
    x = torch.cat([torch.full((300,), -1.0), torch.full((100,), 3.0)]).double()
    x = (x + 0.1 * torch.randn(400, generator=generator(), dtype=torch.float64)).sort().values
    weight, mean, std = fit_mixture(x, 2)
    assert weight.tolist() == pytest.approx([0.75, 0.25], abs=0.02)
    assert mean.tolist() == pytest.approx([-1.0, 3.0], abs=0.05)
    assert std.tolist() == pytest.approx([0.1, 0.1], abs=0.03)


def test_losses_are_standardised() -> None:
    z = standardise(torch.tensor([1.0, 2.0, 3.0]))
    assert z.mean().item() == pytest.approx(0.0)
    assert z.square().mean().item() == pytest.approx(1.0)
    assert standardise(torch.ones(4)).tolist() == [0, 0, 0, 0]


def test_search_loss_is_lower_when_gates_sit_on_high_losses() -> None:
    losses = torch.tensor([0.0, 1.0, 5.0])
    right, wrong = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0])
    for relative in (True, False):
        assert search_loss(right, losses, relative) < search_loss(wrong, losses, relative)


def test_anchor_is_zero_at_the_prior_and_positive_elsewhere() -> None:
    prior = torch.tensor([0.5, 0.3, 0.2])
    assert anchor_loss(prior.expand(7, 3), prior).item() == pytest.approx(0.0, abs=1e-6)
    assert anchor_loss(torch.tensor([[0.9, 0.05, 0.05]]), prior) > 0.1
    # The mean matters, not each sample: two opposite samples may differ as they like.
    opposite = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert anchor_loss(opposite, torch.tensor([0.5, 0.5])).item() == pytest.approx(0.0, abs=1e-6)


def test_budget_loss_grows_on_both_sides() -> None:
    assert budget_loss(torch.tensor(4.0), 4.0) == 0
    assert budget_loss(torch.tensor(2.0), 4.0) == budget_loss(torch.tensor(6.0), 4.0) == 0.25


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_ranking_loss_rewards_the_right_order_at_any_batch_size(n: int) -> None:
    losses = torch.arange(float(n))
    assert ranking_loss(losses * 2, losses) == 0
    if n > 1:
        assert ranking_loss(-losses, losses) > 1
        assert ranking_loss(torch.zeros(n), losses) == 1
