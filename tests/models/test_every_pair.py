"""Every dataset config with every backbone config that can take it: a forward pass and a training step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from autoal.config.command_line import choices, conf_dir
from autoal.data.build import build_augmentations, build_dataset
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.models.build import ClassifierFactory
from autoal.training.inference import Needs, pool_pass
from autoal.training.task import training_loss
from tests.composed import plain
from tests.data.formats import OVERRIDES, WRITERS

BACKBONES = choices("backbone")
DATASETS = choices("dataset")
FLAT = ("mlp", "linear")
"""Backbones that take tables and features as well."""
TABLES = ("openml", "openml_6", "openml_155", "table", "features", "breast_cancer")
LIGHT = ("mlp", "linear", "lenet", "small_cnn")
"""Backbones that take milliseconds; the others meet every dataset in the slow tests."""
MEDIUM = ("resnet18", "wide_resnet28_2", "vit_tiny")
"""Backbones that meet CIFAR-10 in the quick tests; all but the heavy ones meet the 8x8 digits there."""
HEAVY = ("vit_base", "wide_resnet28_10", "timm")
"""Backbones that take seconds and have a smaller sibling."""


def composed(group: str, name: str, *overrides: str) -> dict[str, Any]:
    chosen: dict[str, Any] = plain(f"{group}={name}", *overrides)[group]
    return chosen


@pytest.fixture(scope="module")
def data_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ActiveLearningDataModule]:
    """The data module of a dataset on tiny files in its real format, made once."""

    @cache
    def make(name: str) -> ActiveLearningDataModule:
        root = tmp_path_factory.mktemp(name)
        WRITERS[name](root)
        config = composed("dataset", name, *OVERRIDES.get(name, []))
        data = ActiveLearningDataModule(
            build_dataset(config), root, batch_size=4, augmentations=build_augmentations(config["augment"])
        )
        data.setup()
        ids = data.pool.unlabelled[:4]
        data.pool.add(ids, data.oracle.buy(ids))
        return data

    return make


def check_pair(data: ActiveLearningDataModule, backbone: str) -> None:
    """Run a forward pass over the pool and a training step in which every parameter gets a gradient."""
    net = ClassifierFactory(composed("backbone", backbone), data.dataset.info).build(seed=1)
    ids = data.pool.unlabelled[:2]
    out = pool_pass(net, data, ids, Needs(embeddings=True))
    assert out.logits.shape == (2, data.dataset.info.n_classes)
    assert torch.isfinite(out.logits).all()
    assert out.embeddings is not None
    assert out.embeddings.shape == (2, net.embedding_dim)
    batch = data.to_network(next(iter(data.train_dataloader())))
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    loss, outputs = training_loss(net, batch)
    assert tuple(s.shape[1] for s in outputs.stages) == net.backbone.stage_dims
    loss.backward()
    assert torch.isfinite(loss)
    assert [n for n, p in net.named_parameters() if p.grad is None] == []
    before = net.head.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(net.head.weight, before)


def pairs(light: bool) -> list[tuple[str, str]]:
    found = []
    for dataset in DATASETS:
        for backbone in BACKBONES:
            compatible = dataset not in TABLES or backbone in FLAT
            small = backbone not in HEAVY if dataset == "digits" else dataset == "cifar10" and backbone in MEDIUM
            quick = backbone in LIGHT or small
            if compatible and quick == light:
                found.append((dataset, backbone))
    return found


@pytest.mark.parametrize(("dataset", "backbone"), pairs(light=True))
def test_pair(dataset: str, backbone: str, data_of: Callable[[str], ActiveLearningDataModule]) -> None:
    check_pair(data_of(dataset), backbone)


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "backbone"), pairs(light=False))
def test_pair_of_a_large_network(
    dataset: str, backbone: str, data_of: Callable[[str], ActiveLearningDataModule]
) -> None:
    check_pair(data_of(dataset), backbone)


@pytest.mark.parametrize("backbone", [b for b in BACKBONES if b not in FLAT])
def test_an_image_network_refuses_a_table(
    backbone: str, data_of: Callable[[str], ActiveLearningDataModule]
) -> None:
    with pytest.raises(AutoALError, match=r"takes images .* use backbone=mlp or backbone=linear"):
        ClassifierFactory(composed("backbone", backbone), data_of("features").dataset.info).build(seed=1)


def test_every_config_says_in_its_first_line_what_it_is() -> None:
    for group, names in (("dataset", DATASETS), ("backbone", BACKBONES)):
        for name in names:
            first = (Path(conf_dir()) / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
            assert first.startswith("# ")
            assert len(first) > 30
            assert composed(group, name, *OVERRIDES.get(name, []))["name"] == name
