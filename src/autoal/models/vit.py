"""Vision transformers, with the parameter names of the DINO, DINOv2 and DeiT weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoal.config.values import Size
from autoal.errors import AutoALError, unknown_name
from autoal.models.base import Backbone
from autoal.models.pretrained import adapt_input_weight, fit_state, load_weights
from autoal.models.shapes import image_shape

SIZES = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}
"""Width and number of heads."""
_FB = "https://dl.fbaipublicfiles.com"
WEIGHTS = {
    "tiny": {"imagenet": f"{_FB}/deit/deit_tiny_patch16_224-a1311bcf.pth"},
    "small": {
        "imagenet": f"{_FB}/deit/deit_small_patch16_224-cd65a155.pth",
        "dino": f"{_FB}/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth",
        "dinov2": f"{_FB}/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    },
    "base": {
        "imagenet": f"{_FB}/deit/deit_base_patch16_224-b5f2ef4d.pth",
        "dino": f"{_FB}/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
        "dinov2": f"{_FB}/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
    },
}
PATCH = {"imagenet": 16, "dino": 16, "dinov2": 14}


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out: Tensor = self.proj(
            F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        )
        return out


class _MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class _Scale(nn.Module):
    """DINOv2's per-channel factor on the branch of a block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, scaled: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads)
        self.ls1 = _Scale(width) if scaled else nn.Identity()
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = _MLP(width)
        self.ls2 = _Scale(width) if scaled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class _PatchEmbed(nn.Module):
    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        # Zeros at the right and bottom fill the last patches of images that the patch size does not divide.
        x = F.pad(x, (0, -x.shape[3] % self.patch, 0, -x.shape[2] % self.patch))
        out: Tensor = self.proj(x)
        return out


class ViT(Backbone):
    """Vision transformer of Dosovitskiy et al. 2021 (https://arxiv.org/abs/2010.11929), 12 blocks.

    Args:
        input_shape: ``(C, H, W)``, any size from 8x8.
        size: ``"tiny"``, ``"small"`` or ``"base"``.
        patch_size: Side of a patch in pixels; None: what the pretrained weights were made for, else about
            an eighth of the image, from 2 to 16.
        image_size: Resize inputs to this side first; None: leave them. Pretrained weights expect 224:
            at 32 pixels a patch size of 16 leaves four patches.
        last_blocks: The embedding is the class token of so many last blocks, concatenated.
        pretrained: None, ``"imagenet"`` (DeiT), ``"dino"``, ``"dinov2"``, or the path of a state dict.
    """

    depth = 12

    def __init__(
        self,
        input_shape: tuple[int, ...],
        size: str = "tiny",
        patch_size: Size | None = None,
        image_size: Size | None = None,
        last_blocks: int = 1,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(input_shape, f"vit_{size}")
        if size not in SIZES:
            raise unknown_name("backbone.size", size, SIZES)
        if not 1 <= last_blocks <= self.depth:
            raise AutoALError(f"backbone.last_blocks={last_blocks} is not in 1..{self.depth}")
        if image_size is not None:
            height = width = image_size
        state = None if pretrained is None else load_weights(pretrained, WEIGHTS[size], f"vit_{size}")
        patch = patch_size or PATCH.get(pretrained or "") or _patch_of(state) or _default_patch(min(height, width))
        dim, heads = SIZES[size]
        self.image_size = image_size
        self.last_blocks = last_blocks
        grid = (math.ceil(height / patch), math.ceil(width / patch))
        self.patch_embed = _PatchEmbed(channels, dim, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid[0] * grid[1], dim))
        scaled = state is not None and "blocks.0.ls1.gamma" in state
        self.blocks = nn.ModuleList(_Block(dim, heads, scaled) for _ in range(self.depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self._initialise()
        if state is not None:
            if "patch_embed.proj.weight" in state and "pos_embed" in state:
                weight = state["patch_embed.proj.weight"]
                state["patch_embed.proj.weight"] = adapt_input_weight(weight, channels)
                state["pos_embed"] = resize_positions(state["pos_embed"], grid)
            fit_state(self, state, f"pretrained={pretrained} of vit_{size}", unused=("head", "mask_token"))
        self.stage_dims = (dim,) * 4
        self.embedding_dim = dim * last_blocks

    def _initialise(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def parts(self) -> list[nn.Module]:
        """Return the patch embedding, the 12 blocks and the last norm (joined to the last block's place)."""
        return [self.patch_embed, *self.blocks[:-1], nn.ModuleList([self.blocks[-1], self.norm])]

    def freeze(self, spec: str) -> None:
        """Freeze as every backbone; the tokens and positions go with the stem."""
        super().freeze(spec)
        if spec != "none" and not next(self.patch_embed.parameters()).requires_grad:
            self.cls_token.requires_grad_(False)
            self.pos_embed.requires_grad_(False)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the class token and the maps of patch tokens after a quarter, half, ... of the blocks."""
        if self.image_size is not None:
            size = (self.image_size, self.image_size)
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
        patches = self.patch_embed(x)
        rows, cols = patches.shape[2:]
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens + self.pos_embed
        features: list[Tensor] = []
        classes: list[Tensor] = []
        for i, block in enumerate(self.blocks, 1):
            tokens = block(tokens)
            if i % (self.depth // 4) == 0:
                features.append(tokens[:, 1:].transpose(1, 2).reshape(len(x), -1, rows, cols))
            if i > self.depth - self.last_blocks:
                classes.append(self.norm(tokens[:, 0]))
        return torch.cat(classes, dim=1), features


def _default_patch(side: int) -> int:
    exponent = round(math.log2(side / 8))
    return (2, 4, 8, 16)[min(max(exponent - 1, 0), 3)]


def _patch_of(state: dict[str, Tensor] | None) -> int | None:
    if state is None or "patch_embed.proj.weight" not in state:
        return None
    return int(state["patch_embed.proj.weight"].shape[-1])


def resize_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Interpolate position embeddings to another grid of patches.

    Args:
        positions: Of the class token and a square grid, ``(1, 1 + n * n, D)``.
        grid: Wanted rows and columns of patches.

    Returns:
        Positions of shape ``(1, 1 + rows * cols, D)``.
    """
    side = math.isqrt(positions.shape[1] - 1)
    if (side, side) == grid:
        return positions
    square = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)
