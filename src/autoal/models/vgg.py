"""VGG: plain stacks of 3x3 convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from autoal.errors import AutoALError
from autoal.models.base import Backbone
from autoal.models.pretrained import adapt_input_weight, fit_state, load_weights
from autoal.models.shapes import image_shape

_LAYOUTS = {11: "A", 13: "B", 16: "D", 19: "E"}


class VGG(Backbone):
    """Convolutions of Simonyan, Zisserman 2015 (https://arxiv.org/abs/1409.1556), then a global average.

    The average takes the place of the two linear layers of width 4096, as is usual for small images.

    Args:
        input_shape: ``(C, H, W)``, any size from 8x8.
        depth: 11, 13, 16 or 19.
        batch_norm: Whether a batch norm follows each convolution.
        pretrained: None, ``"imagenet"`` (torchvision's weights) or the path of a state dict.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        depth: int = 16,
        batch_norm: bool = True,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        from torchvision.models import vgg

        channels, _, _ = image_shape(input_shape, f"vgg{depth}")
        if depth not in _LAYOUTS:
            raise AutoALError(f"backbone.depth={depth} is not a VGG: {', '.join(map(str, _LAYOUTS))}")
        suffix = "_bn" if batch_norm else ""
        features = vgg.make_layers(vgg.cfgs[_LAYOUTS[depth]], batch_norm=batch_norm)
        if channels != 3:
            features[0] = nn.Conv2d(channels, 64, 3, padding=1)
        for layer in features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        if pretrained is not None:
            url = getattr(vgg, f"VGG{depth}{suffix.upper()}_Weights").IMAGENET1K_V1.url
            state = load_weights(pretrained, {"imagenet": url}, f"vgg{depth}")
            state = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
            if "0.weight" in state:
                state["0.weight"] = adapt_input_weight(state["0.weight"], channels)
            fit_state(features, state, f"pretrained={pretrained} of vgg{depth}")
        stages: list[list[nn.Module]] = [[]]
        for layer in features:
            if isinstance(layer, nn.MaxPool2d):
                # ceil_mode lets images below 32 pixels through all five pools; multiples of 32 stay as they are.
                stages[-1].append(nn.MaxPool2d(2, ceil_mode=True))
                stages.append([])
            else:
                stages[-1].append(layer)
        self.blocks = nn.ModuleList(nn.Sequential(*layers) for layers in stages if layers)
        self.stage_dims = (64, 128, 256, 512, 512)
        self.embedding_dim = 512

    def parts(self) -> list[nn.Module]:
        """Return the five blocks between the pools."""
        return list(self.blocks)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the average-pooled last block and the output of each block."""
        features: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return x.mean(dim=(2, 3)), features
