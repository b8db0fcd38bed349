"""The network that embeds: built from a backbone config, with its own transform and a hash of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autoal.models.base import Backbone
from autoal.models.build import plan_backbone
from autoal.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class Encoder:
    """A network in eval mode and the transform of its inputs.

    Attributes:
        backbone: The network.
        transform: From raw images to its inputs.
    """

    backbone: Backbone
    transform: Preprocessing

    def to(self, device: torch.device) -> Encoder:
        """Return the encoder on a device."""
        return Encoder(self.backbone.to(device), self.transform)

    @torch.inference_mode()
    def __call__(self, raw: Tensor) -> Tensor:
        """Embed raw ``uint8`` images ``(B, C, H, W)``; returns float16 ``(B, D)`` on the CPU."""
        device = next(self.backbone.parameters()).device
        # Depthwise convolutions are faster by half with the channels last; the results are the same kernel's.
        x = self.transform(raw.to(device)).contiguous(memory_format=torch.channels_last)
        embedding: Tensor = self.backbone(x)
        return embedding.to(torch.float16).cpu()


def build_encoder(config: Mapping[str, Any], size: int | None = None) -> Encoder:
    """Build the network of a ``backbone`` config for three-channel images of the size that its weights want.

    Args:
        config: ``_target_``, ``name`` and the backbone's own options. Weights that no file gives are the
            same ones in every process.
        size: Side of the images in pixels; None: as the weights were made.

    Raises:
        AutoALError: If a key or a value is not valid, or the model or its weights don't exist.
    """
    _, plan = plan_backbone(config)
    kind: type[Backbone] = plan.cls
    transform = kind.preprocessing(plan.options)
    if size is not None:
        transform = transform.of_size(size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone: Backbone = plan.build(input_shape=(3, *transform.size))
    backbone.eval().requires_grad_(False)
    return Encoder(backbone.to(memory_format=torch.channels_last), transform)


def weights_digest(net: nn.Module) -> str:
    """Return the sha256 of a state dict: names, types, shapes and bytes, in order of the names."""
    hasher = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        hasher.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        hasher.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()
