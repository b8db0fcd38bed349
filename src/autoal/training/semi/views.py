"""Views of unlabelled samples: which ones a step takes, and how they are changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from autoal.data.augmentation import Augmentation
from autoal.data.noise import FeatureNoise
from autoal.data.rand_augment import RandAugment
from autoal.data.transforms import InputTransform, check_augmentations
from autoal.rng import generator, stream_seed
from autoal.training.task import Task

ViewConfig = Sequence[Augmentation] | None
"""Augmentations of a view, as in ``dataset.augment``; None: what is usual for the kind of data."""


class Drawn(NamedTuple):
    """The unlabelled samples of a step.

    Attributes:
        ids: Ids over all ranks, int64, ``(n,)``.
        passes: The pass through the pool that each is drawn in, int64, ``(n,)``.
    """

    ids: Tensor
    passes: Tensor


class UnlabelledViews:
    """Draws unlabelled samples and changes them; every draw follows from (seed, round, step, view, id).

    The samples come from the pool, pass after pass without replacement: bought and unbought ones, never those that
    are held out for validation or test, or excluded. Their labels are not asked for. Where views lie beside the
    features (``autoal embed --views``) and the config says nothing else, one of them is drawn instead.

    Args:
        task: The experiment.
        weak: Augmentations of the weak views; None: those of labelled samples.
        strong: Augmentations of the strong views; None: the weak ones and RandAugment for images, noise and
            missing values for vectors. What is None takes the views beside the features where there are some.
    """

    def __init__(self, task: Task, weak: ViewConfig = None, strong: ViewConfig = None) -> None:
        info = task.data.dataset.info
        own = task.data.augmentations
        usual: tuple[Augmentation, ...] = (RandAugment(),) if len(info.input_shape) == 3 else (FeatureNoise(),)
        self._task = task
        given = {"weak": weak, "strong": strong}
        made = task.data.split("train").views
        self._cached = {kind: made[kind] for kind, config in given.items() if config is None and kind in made}
        views = {kind: own if config is None else config for kind, config in given.items()}
        if strong is None and "strong" not in self._cached:
            views["strong"] = (*own, *usual)
        for name, augmentations in views.items():
            check_augmentations(f"training.{name}", info, augmentations)
        self._transforms = {name: InputTransform(info, augmentations) for name, augmentations in views.items()}
        self._order: tuple[tuple[int, int], Tensor] | None = None

    def draw(self, step: int, n: int) -> Drawn:
        """Return the samples of a step of the round under way, the same on every rank.

        Args:
            step: Step of the round, from 0.
            n: How many.
        """
        pool = self._task.data.pool.trainable
        places = torch.arange(step * n, (step + 1) * n)
        passes = places // len(pool)
        ids = torch.empty_like(places)
        for number in range(int(passes[0]), int(passes[-1]) + 1):
            now = passes == number
            ids[now] = pool[self._permutation(number, len(pool))[places[now] % len(pool)]]
        return Drawn(ids, passes)

    def _permutation(self, number: int, n: int) -> Tensor:
        """Return the order of a pass; the last one is kept."""
        key = (self._task.data.round, number)
        if self._order is None or self._order[0] != key or len(self._order[1]) != n:
            order = torch.randperm(n, generator=generator(self._task.seed, "unlabelled", *key))
            self._order = (key, order)
        return self._order[1]

    def mine(self, drawn: Drawn) -> Drawn:
        """Return this rank's share; a rank without one gets the first sample, which is to count nothing."""
        world = self._task.data.world
        ids = world.shard(drawn.ids)
        return Drawn(ids, world.shard(drawn.passes)) if len(ids) else Drawn(*(x[:1] for x in drawn))

    def raw(self, mine: Drawn) -> Tensor:
        """Fetch the samples, unchanged, to the device."""
        return self._task.data.split("train").source.fetch(mine.ids).to(self._task.device)

    def keys(self, mine: Drawn) -> Tensor:
        """Return what the draws of each sample are keyed by, on the device: another number in each pass."""
        return (mine.ids + len(self._task.data.pool) * mine.passes).to(self._task.device)

    def view(self, name: str, raw: Tensor, mine: Drawn, dtype: torch.dtype, number: int = 0) -> Tensor:
        """Return a view of some samples.

        Args:
            name: ``"weak"`` or ``"strong"``.
            raw: The samples, from :meth:`raw`; not looked at where views of them were made beforehand.
            mine: Which they are.
            dtype: Floating type of the network.
            number: Tells several views of one name apart.
        """
        key = stream_seed(self._task.seed, "views", self._task.data.round, name, number)
        keys = self.keys(mine)
        if name in self._cached:
            made = self._cached[name]
            raw = made.fetch(mine.ids, made.pick(stream_seed(key, "cached"), keys)).to(self._task.device)
        return self._transforms[name].train(raw, key, keys, dtype)
