"""The network of an experiment: backbone -> embedding -> dropout -> linear head."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from autoal.kernels.checks import compute_dtype
from autoal.models.base import Backbone
from autoal.rng import sample_uniform


class DropoutKey(NamedTuple):
    """What a training-time dropout mask depends on: a stream's seed and the samples' ids.

    Attributes:
        seed: See :func:`autoal.rng.stream_seed`.
        ids: Sample ids, int64, shape ``(B,)``.
    """

    seed: int
    ids: Tensor


class ClassifierOutput(NamedTuple):
    """Everything one forward pass yields.

    Attributes:
        logits: Shape ``(B, C)``.
        embedding: Shape ``(B, D)``, before dropout.
        stages: The backbone's stage features.
    """

    logits: Tensor
    embedding: Tensor
    stages: list[Tensor]


class Classifier(nn.Module):
    """Backbone, dropout and linear head, each in reach.

    Args:
        backbone: The feature extractor.
        n_classes: Number of classes C.
        dropout: Probability that an embedding unit is dropped in training and in MC passes.

    Attributes:
        drops_in_training: Whether training drops units; an optimiser that goes to the optimum of one fixed loss
            wants none, and MC passes drop them all the same.
    """

    def __init__(self, backbone: Backbone, n_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = float(dropout)
        self.drops_in_training = True
        self.head = nn.Linear(backbone.embedding_dim, n_classes)

    @property
    def embedding_dim(self) -> int:
        """Width D of the embedding."""
        return self.backbone.embedding_dim

    def embed(self, x: Tensor) -> Tensor:
        """Return the embedding ``(B, D)`` of normalised inputs."""
        embedding: Tensor = self.backbone(x)
        return embedding

    def forward(self, x: Tensor, key: DropoutKey | None = None) -> ClassifierOutput:
        """Run the whole network.

        Args:
            x: Normalised inputs ``(B, *input_shape)``.
            key: Identifies the dropout masks. Needed in training mode when ``dropout > 0``; ignored in
                eval mode, where no unit is dropped.
        """
        embedding, stages = self.backbone.stages(x)
        return ClassifierOutput(self.head(self.drop(embedding, key)), embedding, stages)

    def drop(self, embedding: Tensor, key: DropoutKey | None) -> Tensor:
        """Apply inverted dropout with per-sample masks, in training mode only."""
        if not self.training or not self.drops_in_training or self.dropout == 0.0:
            return embedding
        if key is None:
            raise ValueError("training with dropout needs a DropoutKey (no hidden random state)")
        keep = sample_uniform(key.seed, key.ids, embedding.shape[1]) >= self.dropout
        return embedding * keep.to(embedding.dtype) / (1.0 - self.dropout)

    @torch.no_grad()
    def mc_logits(self, embedding: Tensor, n_samples: int, key: int, chunk: int = 65536) -> Tensor:
        """Monte-Carlo dropout through the head, on embeddings computed once.

        Each of the T samples is one dropout mask shared by every input: a sampled sub-network, so the
        result depends neither on the order of the inputs nor on how they are sharded.

        Args:
            embedding: Shape ``(N, D)``.
            n_samples: Number T of masks.
            key: A stream's seed.
            chunk: Rows per matrix product.

        Returns:
            Logits of shape ``(T, N, C)``, float32 at least.
        """
        ids = torch.arange(n_samples, device=embedding.device)
        keep = sample_uniform(key, ids, embedding.shape[1]) >= self.dropout
        head, dtype = self.head, compute_dtype(self.head.weight)
        masks = keep.to(dtype) / (1.0 - self.dropout)
        weights = (head.weight.to(dtype)[None] * masks[:, None, :]).transpose(1, 2)
        logits = torch.empty((n_samples, len(embedding), weights.shape[2]), dtype=dtype, device=embedding.device)
        for low in range(0, len(embedding), chunk):
            rows = slice(low, low + chunk)
            logits[:, rows] = torch.matmul(embedding[rows].to(dtype), weights)
        return logits.add_(head.bias.to(dtype))
