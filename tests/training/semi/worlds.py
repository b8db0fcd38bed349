"""Small worlds for semi-supervised training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from autoal.data.noise import FeatureNoise
from autoal.testing.tiny import tiny_task
from autoal.training.method import TrainingMethod, build_method
from autoal.training.task import Task
from tests.strategies.planted import planted_task

SEMI = "autoal.training.semi"
METHODS: Mapping[str, str] = {
    "pseudo_label": f"{SEMI}.pseudo_label.PseudoLabel",
    "mean_teacher": f"{SEMI}.mean_teacher.MeanTeacher",
    "fixmatch": f"{SEMI}.fixmatch.FixMatch",
    "flexmatch": f"{SEMI}.flexmatch.FlexMatch",
    "freematch": f"{SEMI}.freematch.FreeMatch",
    "softmatch": f"{SEMI}.softmatch.SoftMatch",
}


def method(name: str, **options: Any) -> TrainingMethod:
    """Build a method by its name."""
    return build_method({"name": name, "_target_": METHODS[name], **options})


def task_with_steps(steps: int = 2, epochs: int = 2, **options: Any) -> Task:
    """Return the tiny task of images, whose epochs have a set length."""
    task = tiny_task(epochs=epochs, **options)
    task.data.steps_per_epoch, task.stop_train_acc = steps, None
    return task


def moons(seed: int, epochs: int = 15, steps: int = 60) -> tuple[Task, torch.Tensor, torch.Tensor]:
    """Return a task of two moons with three labels each, evenly along each moon, its inputs and its classes."""
    from sklearn.datasets import make_moons

    x, y = make_moons(600, noise=0.06, random_state=seed, shuffle=False)
    inputs, classes = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    labelled = torch.tensor([75, 150, 225, 375, 450, 525])
    task = planted_task(inputs, classes, labelled, epochs=epochs, hidden=(64, 64), seed=seed, batch_size=6)
    task.data.steps_per_epoch = steps
    return task, inputs, classes


NOISE = (FeatureNoise(0.15, 0.0),)
"""The strong view of a moon's sample."""
