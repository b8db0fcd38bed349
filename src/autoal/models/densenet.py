"""DenseNets: torchvision's blocks with a stem that suits the size of the images."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from autoal.errors import AutoALError
from autoal.models.base import Backbone
from autoal.models.pretrained import adapt_input_weight, fit_state, load_weights
from autoal.models.resnet import choose_stem
from autoal.models.shapes import image_shape

DEPTHS = (121, 169, 201)


class DenseNet(Backbone):
    """DenseNet of Huang et al. 2017 (https://arxiv.org/abs/1608.06993).

    Args:
        input_shape: ``(C, H, W)``, any size from 8x8.
        depth: 121, 169 or 201.
        stem: ``"imagenet"``, ``"cifar"`` (3x3 with stride 1, no pool) or ``"auto"``: the latter for images up
            to 64 pixels.
        pretrained: None, ``"imagenet"`` (torchvision's weights) or the path of a state dict; the ``cifar``
            stem's convolution keeps its random weights.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        depth: int = 121,
        stem: str = "auto",
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        from torchvision.models import densenet

        channels, height, width = image_shape(input_shape, f"densenet{depth}")
        if depth not in DEPTHS:
            raise AutoALError(f"backbone.depth={depth} is not a DenseNet: {', '.join(map(str, DEPTHS))}")
        net = getattr(densenet, f"densenet{depth}")(weights=None).features
        stem = choose_stem(stem, height, width)
        if stem == "cifar":
            net.conv0 = nn.Conv2d(channels, net.norm0.num_features, 3, padding=1, bias=False)
            net.pool0 = nn.Identity()
        elif channels != 3:
            net.conv0 = nn.Conv2d(channels, net.norm0.num_features, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(net.conv0.weight)
        if pretrained is not None:
            url = getattr(densenet, f"DenseNet{depth}_Weights").IMAGENET1K_V1.url
            state = _renamed(load_weights(pretrained, {"imagenet": url}, f"densenet{depth}"))
            if stem == "cifar":
                state["conv0.weight"] = net.conv0.weight.data
            elif "conv0.weight" in state:
                state["conv0.weight"] = adapt_input_weight(state["conv0.weight"], channels)
            fit_state(net, state, f"pretrained={pretrained} of densenet{depth}")
        for transition in (net.transition1, net.transition2, net.transition3):
            # Small maps keep at least one pixel; even sizes stay as they are.
            transition.pool = nn.AvgPool2d(2, ceil_mode=True)
        self.stem = nn.Sequential(net.conv0, net.norm0, net.relu0, net.pool0)
        self.blocks = nn.ModuleList(
            [
                net.denseblock1,
                nn.Sequential(net.transition1, net.denseblock2),
                nn.Sequential(net.transition2, net.denseblock3),
                nn.Sequential(net.transition3, net.denseblock4, net.norm5),
            ]
        )
        self.stage_dims = (
            *(t.conv.in_channels for t in (net.transition1, net.transition2, net.transition3)),
            net.norm5.num_features,
        )
        self.embedding_dim = self.stage_dims[-1]

    def parts(self) -> list[nn.Module]:
        """Return the stem and the four dense blocks."""
        return [self.stem, *self.blocks]

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the average-pooled last activation and the output of each dense block."""
        x = self.stem(x)
        features: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return torch.relu(x).mean(dim=(2, 3)), features


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Strip the prefix and undo the names of the oldest files: ``norm.1`` is now ``norm1``."""
    pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
    return {
        pattern.sub(r"\1\2", k.removeprefix("features.")): v for k, v in state.items() if k.startswith("features.")
    }
