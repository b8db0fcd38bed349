"""Semi-supervised training on frozen features: views that lie beside them are taken, and noise where none do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.features import Features
from autoal.data.noise import FeatureNoise
from autoal.models.build import ClassifierFactory
from autoal.training.optim import OptimizerRecipe
from autoal.training.semi.views import UnlabelledViews, ViewConfig
from autoal.training.task import Task
from tests.strategies.planted import train_with_hook
from tests.training.semi.worlds import METHODS, method

N, F, V = 40, 4, 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        np.save(tmp_path / f"{part}_features.npy", rng.normal(size=(N, F)).astype(np.float16))
        np.save(tmp_path / f"{part}_labels.npy", np.arange(N) % 2)
    for kind, sign in (("weak", 1), ("strong", -1)):
        views = np.zeros((V, N, F), np.float16)
        views[:, :, 0], views[:, :, 1] = sign * (1 + np.arange(V)[:, None]), np.arange(N)[None]
        np.save(tmp_path / f"train_{kind}_features.npy", views)
    return tmp_path


def task_on(folder: Path, standardise: bool = False, seed: int = 0) -> Task:
    data = ActiveLearningDataModule(
        Features(str(folder), standardise=standardise), Path("/"), seed=seed, batch_size=4
    )
    data.setup()
    factory = ClassifierFactory({"_target_": "autoal.models.mlp.Linear", "dropout": 0.0}, data.dataset.info)
    recipe = OptimizerRecipe({"_target_": "torch.optim.Adam", "lr": 0.01}, 2)
    task = Task(factory, recipe, data, seed, 2, None)
    data.steps_per_epoch = 3
    ids = torch.arange(8)
    data.pool.add(ids, data.oracle.buy(ids))
    return task


def view(task: Task, name: str, ids: list[int], number: int = 0, strong: ViewConfig = None) -> Tensor:
    views = UnlabelledViews(task, None, strong)
    drawn = views.draw(0, 1)._replace(ids=torch.tensor(ids), passes=torch.full((len(ids),), number))
    return views.view(name, views.raw(drawn), drawn, torch.float32)


def test_views_are_those_beside_the_features(folder: Path) -> None:
    task, ids = task_on(folder), list(range(N))
    for name, sign in (("weak", 1), ("strong", -1)):
        found = view(task, name, ids)
        assert found[:, 1].tolist() == ids
        assert set((sign * found[:, 0]).tolist()) == {1.0, 2.0, 3.0}
        assert torch.equal(view(task, name, [9, 3]), found[[9, 3]]), "whatever it is fetched with"
        assert not torch.equal(view(task, name, ids, number=1), found), "another pass"
    task.data.round = 1
    assert not torch.equal(view(task, "weak", ids), found.abs())
    assert not torch.equal(view(task_on(folder, seed=1), "strong", ids), found)


def test_they_are_standardised_as_their_samples_are(folder: Path) -> None:
    task = task_on(folder, standardise=True)
    info = task.data.dataset.info
    found = view(task, "weak", [7])
    plain = found * torch.tensor(info.std) + torch.tensor(info.mean)
    assert torch.allclose(plain[0, 1:], torch.tensor([7.0, 0.0, 0.0]), atol=1e-5)


def test_a_view_that_the_config_names_is_made_of_the_sample(folder: Path) -> None:
    task = task_on(folder)
    sample = task.data.split("train").source.fetch(torch.tensor([5])).float()
    assert torch.equal(view(task, "strong", [5], strong=()), sample)


def test_without_them_strong_views_are_noise(folder: Path) -> None:
    cached = view(task_on(folder), "strong", [5])
    (folder / "train_strong_features.npy").unlink()
    task = task_on(folder)
    noise = view(task, "strong", [5])
    assert not torch.equal(noise, cached)
    assert torch.equal(noise, view(task, "strong", [5], strong=(FeatureNoise(),)))
    assert view(task, "weak", [5])[0, 1] == 5, "weak ones are still there"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_on_them_again_alike(folder: Path, name: str) -> None:
    def weights() -> Tensor:
        task = task_on(folder)
        made = method(name, warmup=0.0, **({"threshold": 0.1} if name in ("fixmatch", "pseudo_label") else {}))
        return train_with_hook(task, made.hook(task)).net.head.weight.detach()

    one = weights()
    assert torch.equal(one, weights())
    for kind in ("weak", "strong"):
        (folder / f"train_{kind}_features.npy").unlink()
    assert not torch.equal(one, weights())
