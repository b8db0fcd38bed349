"""VAAL picks the planted unlabelled cluster, with the discriminator's labels the right way round."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from autoal.errors import AutoALError
from autoal.learned.vae import make_vae, usual_width
from autoal.strategies.vaal import VAAL, Adversaries
from tests.strategies.planted import context, planted_task, two_clusters
from tests.strategies.runs import assert_resumes


def small(**options: float) -> VAAL:
    return VAAL(width=8, latent=4, lr=1e-3, epochs=15, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("image", [False, True], ids=["vectors", "images"])
def test_picks_the_planted_unlabelled_cluster(image: bool) -> None:
    inputs, remote = two_clusters()
    inputs = torch.cat([inputs, 0.5 * inputs], dim=1)
    if image:
        pixels = torch.randn(300, 1, 6, 6, generator=torch.Generator().manual_seed(3)) * 0.3
        pixels[remote, :, :3] += 2.0
        inputs = pixels
    home = (~remote).nonzero().squeeze(1)
    task = planted_task(inputs, torch.zeros(300, dtype=torch.int64), home[:100])
    strategy = small()
    selection = strategy.query(context(task, strategy, task.initial_net()), 30)
    assert remote[selection.ids].float().mean() > 0.9
    log = selection.log
    assert log["vaal_picked"] < log["vaal_unlabelled"] < log["vaal_labelled"]


def test_auto_encoder_and_discriminator_want_opposite_things() -> None:
    inputs, remote = two_clusters()
    task = planted_task(inputs, torch.zeros(300, dtype=torch.int64), (~remote).nonzero().squeeze(1)[:60])
    strategy = small()
    ctx = context(task, strategy, task.initial_net())
    losses = {}
    for bias in (-5.0, 5.0):  # sure that everything is unlabelled, or labelled
        pair = Adversaries(ctx, 4, 8, 1.0, 1.0, 1e-3, 64)
        with torch.no_grad():
            pair.judge.layers[-1].weight.zero_()  # type: ignore[union-attr,operator]
            pair.judge.layers[-1].bias.fill_(bias)  # type: ignore[union-attr,operator]
        losses[bias] = float(pair.vae_loss()), float(pair.judge_loss())
    assert losses[5.0][0] + 9 < losses[-5.0][0]  # the encoder wants both pools to pass for labelled
    assert losses[5.0][1] == pytest.approx(losses[-5.0][1], abs=1e-3)  # half of each pair is wrong either way


@pytest.mark.parametrize(
    ("shape", "width"), [((3, 32, 32), 128), ((1, 28, 28), 112), ((1, 8, 8), 32), ((7,), 128)]
)
def test_width_suits_the_size_of_the_images(shape: tuple[int, ...], width: int) -> None:
    assert usual_width(shape) == width
    given, usual = (make_vae(shape, 4, w) for w in (width, usual_width(shape)))
    assert [p.shape for p in usual.parameters()] == [p.shape for p in given.parameters()]


def test_a_query_on_digits_is_a_matter_of_seconds_by_the_count_of_its_operations() -> None:
    """The published 100 epochs of 128 channels are 13.3 Tflop there: minutes of a CPU core for every query."""
    task = planted_task(torch.rand(1200, 1, 8, 8), torch.zeros(1200, dtype=torch.int64), torch.arange(40))
    strategy = VAAL()
    pair = strategy.adversaries(context(task, strategy, task.initial_net()))
    with FlopCounterMode(display=False) as one:
        pair.train_step(strategy.vae_steps, strategy.judge_steps)
    assert one.get_total_flops() * strategy.steps(1160) < 4e11


def test_steps_follow_the_pool_up_to_a_bound() -> None:
    assert [VAAL().steps(n) for n in (1, 128, 1160, 60000)] == [20, 20, 200, 1000]
    assert VAAL(epochs=100, max_steps=None).steps(50000) == 39100


@pytest.mark.parametrize("key", ["latent", "width", "epochs", "max_steps"])
def test_refuses_bad_options(key: str) -> None:
    with pytest.raises(AutoALError, match=f"{key}=0"):
        VAAL(**{key: 0})


def test_bounded_steps_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, "strategy=vaal", "strategy.max_steps=3", "strategy.width=8")
