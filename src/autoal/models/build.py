"""Build classifiers from a ``backbone`` config: the task model, FitNet, SearchNet and ensembles alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from autoal.config.instantiate import create
from autoal.data.base import DatasetInfo
from autoal.errors import AutoALError
from autoal.models.base import Backbone
from autoal.models.classifier import Classifier

COMMON_KEYS = ("name", "dropout", "freeze", "channels_last", "compile")
"""Keys of a backbone config that are not constructor arguments of the backbone."""


class ClassifierFactory:
    """Makes networks of one recipe that differ in their initial weights alone.

    Args:
        config: A ``backbone`` config: ``_target_``, ``name``, ``dropout``, ``freeze`` (see
            :meth:`Backbone.freeze <autoal.models.base.Backbone.freeze>`), ``channels_last``, ``compile`` and the
            backbone's own options.
        info: The dataset's metadata.
    """

    def __init__(self, config: Mapping[str, Any], info: DatasetInfo) -> None:
        self.config = dict(config)
        self.info = info
        self.dropout = float(self.config.get("dropout", 0.0))
        if not 0.0 <= self.dropout < 1.0:
            raise AutoALError(f"backbone.dropout={self.dropout} is not in [0, 1)")

    def build(self, seed: int, n_outputs: int | None = None) -> Classifier:
        """Build a network whose initial weights depend on ``seed`` alone.

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
        options = {k: v for k, v in self.config.items() if k not in COMMON_KEYS}
        with torch.random.fork_rng(devices=[]):
            # Torch's initialisers draw from the global state, so it is set here and put back afterwards.
            torch.manual_seed(seed)
            backbone: Backbone = create("backbone", options, input_shape=tuple(self.info.input_shape))
            classifier = Classifier(backbone, n_outputs or self.info.n_classes, self.dropout)
        backbone.freeze(str(self.config.get("freeze") or "none"))
        if self.config.get("channels_last"):
            # The weights' layout is enough: convolutions pass it on to their outputs.
            classifier = classifier.to(memory_format=torch.channels_last)
        if self.config.get("compile"):
            # In place: names in the state dict stay as they are, and copies fall back to plain execution.
            classifier.compile()
        return classifier
