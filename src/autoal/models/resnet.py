"""ResNets: torchvision's blocks with a stem that suits the size of the images."""

from __future__ import annotations

from torch import Tensor, nn

from autoal.errors import AutoALError, unknown_name
from autoal.models.base import Backbone
from autoal.models.pretrained import adapt_input_weight, fit_state, load_weights
from autoal.models.shapes import image_shape

STEMS = ("auto", "cifar", "imagenet")
SMALL_IMAGE = 64
"""Images up to this side get the stem for small images when ``stem=auto``."""


def choose_stem(stem: str, height: int, width: int) -> str:
    """Resolve ``stem=auto`` by image size.

    Args:
        stem: ``"auto"``, ``"cifar"`` (keeps the resolution) or ``"imagenet"`` (divides it by 4).
        height: Image height in pixels.
        width: Image width in pixels.

    Raises:
        AutoALError: If there is no such stem.
    """
    if stem not in STEMS:
        raise unknown_name("backbone.stem", stem, STEMS)
    if stem != "auto":
        return stem
    return "cifar" if max(height, width) <= SMALL_IMAGE else "imagenet"


class ResNet(Backbone):
    """ResNet of He et al. 2016 (https://arxiv.org/abs/1512.03385).

    Args:
        input_shape: ``(C, H, W)``, any number of channels, any size from 8x8.
        depth: 18, 34, 50, 101 or 152.
        stem: ``"imagenet"`` (7x7 convolution with stride 2), ``"cifar"`` (3x3 with stride 1), or ``"auto"``:
            the latter for images up to 64 pixels.
        maxpool: Whether the stem pools; None: the ``imagenet`` stem does, the ``cifar`` stem does not.
        pretrained: None, ``"imagenet"`` (torchvision's weights) or the path of a state dict. The ``cifar``
            stem has a convolution of its own, which keeps its random weights.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        depth: int = 18,
        stem: str = "auto",
        maxpool: bool | None = None,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        from torchvision.models import resnet

        channels, height, width = image_shape(input_shape, f"resnet{depth}")
        try:
            make = getattr(resnet, f"resnet{depth}")
            weights = getattr(resnet, f"ResNet{depth}_Weights").IMAGENET1K_V1
        except AttributeError:
            raise AutoALError(f"backbone.depth={depth} is not a ResNet: 18, 34, 50, 101 or 152") from None
        net = make(weights=None)
        stem = choose_stem(stem, height, width)
        if stem == "cifar":
            net.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        elif channels != 3:
            net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        if pretrained is not None:
            state = load_weights(pretrained, {"imagenet": weights.url}, f"resnet{depth}")
            if stem == "cifar":
                state["conv1.weight"] = net.conv1.weight.data
            elif "conv1.weight" in state:
                state["conv1.weight"] = adapt_input_weight(state["conv1.weight"], channels)
            net.fc = nn.Identity()
            fit_state(net, state, f"pretrained={pretrained} of resnet{depth}", unused=("fc.",))
        pools = stem == "imagenet" if maxpool is None else maxpool
        pool = nn.MaxPool2d(3, stride=2, padding=1) if pools else nn.Identity()
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, pool)
        self.layers = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])
        expansion = net.layer1[0].expansion
        self.stage_dims = tuple(n * expansion for n in (64, 128, 256, 512))
        self.embedding_dim = self.stage_dims[-1]

    def parts(self) -> list[nn.Module]:
        """Return the stem and the four stages."""
        return [self.stem, *self.layers]

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the average-pooled last stage and the output of each of the four stages."""
        x = self.stem(x)
        features: list[Tensor] = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return x.mean(dim=(2, 3)), features
