"""What only a GPU can show: NCCL, half precision, compiled networks, batches read ahead."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.faults import lives

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]


def _run(folder: Path, *overrides: str) -> list[tuple[int, int]]:
    run_dir = folder / str(len(list(folder.iterdir())))
    cfg = lives.config("strategy=margin", "trainer=gpu", "trainer.precision=32-true", *overrides)
    assert lives.live(cfg, run_dir) == 0, lives.log_of(run_dir)
    return lives.bought(run_dir)


def test_nccl_with_one_rank(tmp_path: Path) -> None:
    alone = _run(tmp_path)
    assert _run(tmp_path, "trainer=ddp", "trainer.devices=1", "trainer.precision=32-true") == alone


def test_picks_of_a_network_do_not_depend_on_the_precision_of_its_training(tmp_path: Path) -> None:
    # No epoch is long enough to part the networks: what is compared is how the pool is looked at.
    options = ("loop.n_rounds=1", "loop.epochs=1", "optimizer.lr=1e-12")
    assert _run(tmp_path, *options) == _run(tmp_path, *options, "trainer.precision=bf16-mixed")
    assert _run(tmp_path, *options) == _run(tmp_path, *options, "trainer.precision=16-mixed")


def test_a_compiled_network_trains(tmp_path: Path) -> None:
    bought = _run(tmp_path, "backbone.compile=true")
    assert len(bought) == len(_run(tmp_path)) == 51


@pytest.mark.parametrize("prefetch", [0, 3])
def test_batches_read_ahead_through_pinned_memory_change_nothing(prefetch: int, tmp_path: Path) -> None:
    read = _run(tmp_path, "trainer.data_on_device_gib=0", f"trainer.prefetch={prefetch}")
    assert read == _run(tmp_path)


def test_kernels_pick_what_they_pick_on_the_cpu() -> None:
    from autoal import kernels

    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 32, generator=rng).double()
    logits = torch.randn(2000, 10, generator=rng).double()
    there, said = x.cuda(), logits.cuda()
    assert torch.equal(kernels.kcenter(there, 50).index.cpu(), kernels.kcenter(x, 50).index)
    assert torch.equal(kernels.herding(there, 50).index.cpu(), kernels.herding(x, 50).index)
    drawn = [
        kernels.badge(a, b, 50, torch.Generator().manual_seed(1)).index.cpu()
        for a, b in ((said, there), (logits, x))
    ]
    assert torch.equal(*drawn)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU")
def test_images_dealt_out_to_two_gpus_change_nothing(tmp_path: Path) -> None:
    options = ("strategy=margin", "trainer=ddp", "trainer.precision=32-true", "trainer.data_on_device_gib=0")
    cfgs = {"read": lives.config(*options), "dealt": lives.config(*options, "trainer.data_share_gib=1")}
    assert lives.live_on_ranks(cfgs, tmp_path, 2) == [0, 0]
    assert lives.bought(tmp_path / "read") == lives.bought(tmp_path / "dealt")
