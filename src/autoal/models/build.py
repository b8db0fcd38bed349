"""Build classifiers from a ``backbone`` config: the task model, FitNet, SearchNet and ensembles alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch

from autoal.config.instantiate import Plan, plan, split
from autoal.config.values import Range
from autoal.data.base import DatasetInfo
from autoal.errors import AutoALError
from autoal.models.base import Backbone
from autoal.models.classifier import Classifier
from autoal.models.compiling import compile_options


@dataclass(frozen=True)
class BackboneKeys:
    """Keys of a ``backbone`` config that are not constructor arguments of the backbone.

    Attributes:
        name: Its name in reports.
        dropout: Probability before the head, ``[0, 1)``.
        freeze: See :meth:`Backbone.freeze <autoal.models.base.Backbone.freeze>`.
        channels_last: Whether convolution weights are stored channels-last.
        compile: Whether the network is compiled.
    """

    name: str = ""
    dropout: Annotated[float, Range(0, 1, "[)")] = 0.0
    freeze: str | None = None
    channels_last: bool = False
    compile: bool = False


def plan_backbone(config: Mapping[str, Any]) -> tuple[BackboneKeys, Plan]:
    """Check a ``backbone`` config, which needs no data.

    Returns:
        The common keys, and the backbone's class with its own options.

    Raises:
        AutoALError: If a key or a value is not valid.
    """
    keys, rest = split(config, BackboneKeys, "backbone")
    return keys, plan("backbone", rest, Backbone, ("input_shape",), common=BackboneKeys)


class ClassifierFactory:
    """Makes networks of one recipe that differ only in their initial weights.

    Args:
        config: A ``backbone`` config: ``_target_``, ``name``, ``dropout``, ``freeze`` (see
            :meth:`Backbone.freeze <autoal.models.base.Backbone.freeze>`), ``channels_last``, ``compile`` and the
            backbone's own options.
        info: The dataset's metadata.

    Raises:
        AutoALError: If a key or a value is not valid.
    """

    def __init__(self, config: Mapping[str, Any], info: DatasetInfo) -> None:
        self.keys, self._plan = plan_backbone(config)
        self.info = info
        self.dropout = self.keys.dropout

    def build(self, seed: int, n_outputs: int | None = None) -> Classifier:
        """Build a network whose initial weights depend only on ``seed``.

        Args:
            seed: A stream's seed, see :func:`autoal.rng.stream_seed`.
            n_outputs: Width of the head; default the number of classes.

        Raises:
            AutoALError: If the backbone can't take the dataset's samples, or weights are missing.
        """
        if not self.info.input_shape or not (n_outputs or self.info.n_classes):
            raise AutoALError(
                f"dataset {self.info.name} has no shape or classes yet; load it before building networks"
            )
        with torch.random.fork_rng(devices=[]):
            # Torch's initialisers draw from the global state, so it is set here and put back afterwards.
            torch.manual_seed(seed)
            backbone: Backbone = self._plan.build(input_shape=tuple(self.info.input_shape))
            classifier = Classifier(backbone, n_outputs or self.info.n_classes, self.dropout)
        backbone.freeze(self.keys.freeze or "none")
        if self.keys.channels_last:
            # The weights' layout is enough: convolutions pass it on to their outputs.
            classifier = classifier.to(memory_format=torch.channels_last)
        if self.keys.compile:
            # In place: names in the state dict stay as they are, and copies fall back to plain execution.
            classifier.compile(options=compile_options())
        return classifier
