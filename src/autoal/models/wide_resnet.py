"""Wide residual networks for small images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoal.config.values import Size
from autoal.errors import AutoALError
from autoal.models.base import Backbone
from autoal.models.shapes import image_shape


class _Block(nn.Module):
    """Pre-activation block: two 3x3 convolutions, each after batch norm and ReLU, and a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        same = n_in == n_out and stride == 1
        self.shortcut = None if same else nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        active = torch.relu(self.norm1(x))
        # Where the shape changes, the shortcut branches off after the activation, as in the paper's code.
        shortcut = x if self.shortcut is None else self.shortcut(active)
        out: Tensor = self.conv2(torch.relu(self.norm2(self.conv1(active)))) + shortcut
        return out


class WideResNet(Backbone):
    """WRN-depth-widen of Zagoruyko, Komodakis 2016 (https://arxiv.org/abs/1605.07146), without dropout inside.

    Args:
        input_shape: ``(C, H, W)``, any size from 8x8; made for 32x32.
        depth: Number of convolutions, ``6n + 4``.
        widen: Factor on the widths 16, 32, 64.
    """

    def __init__(self, input_shape: tuple[int, ...], depth: Size = 28, widen: Size = 2) -> None:
        super().__init__()
        channels, _, _ = image_shape(input_shape, f"wide_resnet{depth}_{widen}")
        if depth < 10 or (depth - 4) % 6:
            raise AutoALError(f"backbone.depth={depth} is not 6n + 4 (10, 16, 22, 28, ...)")
        widths = [16, 16 * widen, 32 * widen, 64 * widen]
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.groups = nn.ModuleList(
            nn.Sequential(
                *(
                    _Block(widths[g] if i == 0 else widths[g + 1], widths[g + 1], 2 if i == 0 and g > 0 else 1)
                    for i in range((depth - 4) // 6)
                )
            )
            for g in range(3)
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.stage_dims = tuple(widths[1:])
        self.embedding_dim = widths[-1]

    def parts(self) -> list[nn.Module]:
        """Return the stem, the three groups and the last batch norm."""
        return [self.stem, *self.groups, self.norm]

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the average-pooled last activation and the output of each group."""
        x = self.stem(x)
        features: list[Tensor] = []
        for group in self.groups:
            x = group(x)
            features.append(x)
        return F.relu(self.norm(x)).mean(dim=(2, 3)), features
