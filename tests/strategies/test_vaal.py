"""VAAL picks the planted unlabelled cluster, with the discriminator's labels the right way round."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal.errors import AutoALError
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


def test_refuses_bad_options() -> None:
    with pytest.raises(AutoALError, match="latent=0"):
        VAAL(latent=0)


def test_bounded_steps_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, "strategy=vaal", "strategy.max_steps=3", "strategy.width=8")
