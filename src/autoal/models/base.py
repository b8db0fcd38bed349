"""The interface of a backbone: input -> embedding, with its stage features in reach."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


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
