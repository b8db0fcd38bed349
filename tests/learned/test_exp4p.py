"""EXP4.P finds the best arm, never drops one, and survives a resume."""

from __future__ import annotations

import math

import pytest
import torch

from autoal.errors import AutoALError
from autoal.learned.exp4p import Exp4P


def play(bandit: Exp4P, means: list[float], rounds: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    for _ in range(rounds):
        p = bandit.probabilities()
        arm = int(torch.multinomial(p, 1, generator=rng))
        reward = torch.zeros(len(means), dtype=torch.float64)
        reward[arm] = float(torch.rand(1, generator=rng) < means[arm]) / p[arm]
        bandit.update(reward, 1.0 / p)
    return bandit.probabilities()


@pytest.mark.parametrize("best", [0, 2])
def test_moves_to_the_best_arm(best: int) -> None:
    means = [0.1, 0.1, 0.1]
    means[best] = 0.9
    bandit = Exp4P(3, horizon=400)
    p = play(bandit, means, 400)
    assert p.argmax() == best
    assert p[best] > 0.7
    assert p.min() >= bandit.p_min - 1e-12
    assert float(p.sum()) == pytest.approx(1.0)


def test_floor_is_the_papers_and_fits_any_number_of_arms() -> None:
    assert Exp4P(4, 100).p_min == pytest.approx(math.sqrt(math.log(4) / 400))
    assert Exp4P(20, 1).probabilities().tolist() == pytest.approx([0.05] * 20)
    with pytest.raises(AutoALError, match="delta"):
        Exp4P(2, 10, delta=0.0)


def test_weights_stay_in_range_and_resume() -> None:
    bandit = Exp4P(3, horizon=5)
    for _ in range(5000):
        bandit.update(torch.tensor([50.0, 1.0, 0.0]), torch.tensor([3.0, 3.0, 3.0]))
    assert torch.isfinite(bandit.probabilities()).all()
    other = Exp4P(3, horizon=5)
    other.load_state_dict(bandit.state_dict())
    assert torch.equal(other.probabilities(), bandit.probabilities())
