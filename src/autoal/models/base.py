"""The interface of a backbone: input -> embedding, with its stage features in reach."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from autoal.errors import AutoALError
from autoal.models.preprocessing import Preprocessing


class Backbone(nn.Module, ABC):
    """A feature extractor. Subclasses are configured by one YAML each in ``conf/backbone``.

    A subclass takes ``input_shape`` (``(C, H, W)`` or ``(F,)``) as its first constructor argument and its
    own options after it, and sets both attributes. It holds no dropout and no classification head: those
    belong to :class:`autoal.models.classifier.Classifier`, so that Monte-Carlo dropout on cached
    embeddings is exact.

    Attributes:
        embedding_dim: Width D of the embedding.
        stage_dims: Channels of each stage feature, in order.
    """

    embedding_dim: int
    stage_dims: tuple[int, ...]

    @classmethod
    def preprocessing(cls, options: Mapping[str, Any]) -> Preprocessing:
        """Return the transform of images that the pretrained weights were made with; default ImageNet's usual one.

        Args:
            options: The backbone's config, with ``pretrained`` and, where a class has several, ``model``.
        """
        return Preprocessing()

    @abstractmethod
    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the embedding and the stage features.

        Args:
            x: Normalised inputs, shape ``(B, *input_shape)``.

        Returns:
            The embedding ``(B, D)`` and one feature per stage: ``(B, stage_dims[i])`` or
            ``(B, stage_dims[i], h, w)``.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedding ``(B, D)`` of ``x``."""
        return self.stages(x)[0]

    def parts(self) -> list[nn.Module]:
        """Return the parts that :meth:`freeze` counts, from input (the stem) to output."""
        return list(self.children())

    def freeze(self, spec: str) -> None:
        """Exclude parts from training: their weights stay, and so do their batch-norm statistics.

        Args:
            spec: ``"none"``; ``"stem"`` (the first part); ``"last_<n>"``: all but the last n parts; or
                ``"all"``.

        Raises:
            AutoALError: If ``spec`` is none of these, or n exceeds the number of parts.
        """
        parts = self.parts()
        last = re.fullmatch(r"last_(\d+)", spec)
        if last is not None:
            n_trained = int(last.group(1))
            if n_trained > len(parts):
                raise AutoALError(f"backbone.freeze={spec}: the backbone has {len(parts)} parts")
            n_frozen = len(parts) - n_trained
        elif spec in ("none", "stem", "all"):
            n_frozen = {"none": 0, "stem": 1, "all": len(parts)}[spec]
        else:
            raise AutoALError(f"backbone.freeze={spec} is not one of none, stem, all, last_<n>")
        self._n_frozen = n_frozen
        for position, part in enumerate(parts):
            part.requires_grad_(position >= n_frozen)
        if spec == "all":
            self.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the training flag; frozen parts stay in eval mode."""
        super().train(mode)
        for part in self.parts()[: getattr(self, "_n_frozen", 0)]:
            part.eval()
        return self
