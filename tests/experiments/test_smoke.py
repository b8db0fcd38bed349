"""Every experiment of the papers and studies runs for one round on tiny files in the data's real format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoal.config.command_line import choices
from autoal.run.experiment import Experiment
from tests.composed import composed, plain
from tests.data.formats import OVERRIDES, WRITERS

STUDIES = ("autoal_icml25", "alfamix_cvpr22", "deepal", "cifar10_jpeg")
EXPERIMENTS = [name for name in choices("experiment") if name.split("/")[0] in STUDIES]
AGAIN = {
    *("alfamix_cvpr22/mnist_mlp_large", "alfamix_cvpr22/emnist_mlp", "alfamix_cvpr22/openml_155"),
    *("alfamix_cvpr22/mini_imagenet_vit", "alfamix_cvpr22/domainnet_real_vit", "deepal/waterbirds_pretrained"),
    *("alfamix_cvpr22/domainnet_real_mini_vit", "deepal/fashion_mnist", "deepal/svhn", "deepal/cifar10"),
    *("deepal/openml_6", "deepal/tiny_imagenet", "deepal/cifar100", "autoal_icml25/tissuemnist"),
}
"""Experiments on data and with settings like another's: composed with all others, run in the slow test."""
TINY = ("loop.n_init=4", "loop.n_query=2", "loop.n_rounds=1", "loop.epochs=1", "loop.batch_size=4", "trainer=cpu")
QUICK = {"resnet18": "small_cnn", "vit_small": "small_cnn"}
"""Backbones that the quick test replaces; the slow one runs them as they are, without their weights."""


def config_of(name: str, root: Path, *overrides: str) -> dict[str, Any]:
    """Compose an experiment at a tiny size, on files below ``root``."""
    dataset = str(composed(f"+experiment={name}").dataset.name)
    WRITERS[dataset](root)
    small = OVERRIDES.get(dataset, [])
    config = plain(f"+experiment={name}", *TINY, *small, *overrides)
    config["paths"]["data_dir"] = str(root)
    return config


def run(config: dict[str, Any], run_dir: Path) -> None:
    summary = Experiment.build(config, run_dir).run()
    assert summary["status"] == "finished"
    assert (summary["n_labeled"], summary["rounds"]) == (6, 2)
    lines = [json.loads(line) for line in (run_dir / "ledger.jsonl").read_text().splitlines()]
    assert [line["source"] for line in lines] == ["init"] * 4 + ["query"] * 2
    assert len({line["id"] for line in lines}) == 6
    assert {line["strategy"] for line in lines if line["source"] == "query"} == {config["strategy"]["name"]}


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in AGAIN])
def test_one_round_with_a_small_network(name: str, tmp_path: Path) -> None:
    """Its data, augmentation, optimiser and loop; a small network in place of a large one."""
    config = config_of(name, tmp_path / "data", "strategy=margin")
    backbone = config["backbone"]["name"]
    config["backbone"] = plain(f"backbone={QUICK.get(backbone, backbone)}")["backbone"]
    run(config, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_one_round_as_it_is(name: str, tmp_path: Path) -> None:
    """Its own network, from random weights, and its own strategy."""
    config = config_of(name, tmp_path / "data")
    if "pretrained" in config["backbone"]:
        config["backbone"]["pretrained"] = None
    if "steps" in config["strategy"]:
        config["strategy"] |= {"steps": 6, "warmup_steps": 3}
    if "image_size" in config["backbone"]:
        config["backbone"]["image_size"] = 32
    run(config, tmp_path / "run")


@pytest.mark.slow
def test_a_large_network_has_a_small_stand_in() -> None:
    names = {str(composed(f"+experiment={name}").backbone.name) for name in EXPERIMENTS}
    assert names <= {*QUICK, "mlp", "small_cnn", "lenet", "linear"}
