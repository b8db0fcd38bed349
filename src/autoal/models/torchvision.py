"""Any image classification model of torchvision, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from autoal.errors import AutoALError, unknown_name
from autoal.models.base import Backbone
from autoal.models.preprocessing import Preprocessing, from_torchvision
from autoal.models.pretrained import adapt_input_weight, fit_state, load_weights
from autoal.models.shapes import image_shape

HEADS = ("fc", "classifier", "head", "heads")
"""What torchvision calls the part that ends in the classes."""


class TorchvisionBackbone(Backbone):
    """A classification model by its torchvision name, e.g. ``mobilenet_v2`` or ``convnext_tiny``.

    The embedding is what the model's last linear layer sees (of most models the features averaged over space);
    that layer and dropout before it are gone. The one stage feature is the embedding.

    Args:
        input_shape: ``(C, H, W)``; with C other than 3 the first convolution is fitted to it.
        model: torchvision's name.
        pretrained: None or False; True (torchvision's best weights), the name of a set of its weights
            (``IMAGENET1K_V1``), or the path of a state dict: with or without the classifier, with or without the
            prefix ``features.``, of any floating type.
        options: Further arguments of the model, e.g. ``{image_size: 112}`` for a ViT.

    Raises:
        AutoALError: If there is no such model, the weights don't fit, or it can't take the images.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        model: str,
        pretrained: bool | str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(input_shape, model)
        self.net = _without_head(_create(model, dict(options or {})), model)
        if pretrained:
            state = load_weights(_spec(pretrained), _urls(model), model)
            where = f"pretrained={pretrained} of {model}"
            fit_state(
                self.net, _named_as(self.net, state), where, unused=(*(f"{h}." for h in HEADS), "aux", "Aux")
            )
            if hasattr(self.net, "transform_input"):
                # Inception's weights come from another framework, with its scale of the inputs.
                self.net.transform_input = True
        if channels != 3:
            _fit_channels(self.net, channels)
        try:
            with torch.no_grad():
                embedding = self.eval().stages(torch.zeros(1, channels, height, width))[0]
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise AutoALError(
                f"torchvision model {model} can't take {channels}x{height}x{width} images: {reason}"
            ) from error
        self.train()
        self.embedding_dim = int(embedding.shape[1])
        self.stage_dims = (self.embedding_dim,)

    @classmethod
    def preprocessing(cls, options: Mapping[str, Any]) -> Preprocessing:
        """Return the transform that is published with the weights; for a file, that of the first set."""
        weights = _published(str(options["model"]))
        if not weights:
            return Preprocessing()
        pretrained = options.get("pretrained")
        named = weights.get(_spec(pretrained)) if pretrained else None
        return from_torchvision(named or next(iter(weights.values())))

    def parts(self) -> list[nn.Module]:
        """Return the top-level modules that have parameters; a list of blocks counts as its members."""
        parts: list[nn.Module] = []
        for child in self.net.children():
            members = list(child) if isinstance(child, nn.Sequential | nn.ModuleList) else [child]
            parts.extend(m for m in members if next(m.parameters(), None) is not None)
        return parts

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what the classifier would see, twice: as the embedding and as the one stage feature."""
        embedding = self.net(x).flatten(1)
        return embedding, [embedding]


def _spec(pretrained: bool | str) -> str:
    return "DEFAULT" if pretrained is True else str(pretrained)


def _published(model: str) -> dict[str, Any]:
    """Return torchvision's sets of weights by name, in order of publication, and the best as ``DEFAULT``."""
    import torchvision
    from torchvision.models import get_model_weights, list_models

    names = list_models(module=torchvision.models)
    if model not in names:
        raise unknown_name("torchvision model", model, names)
    family: Any = get_model_weights(model)
    found = {member.name: member for member in family}
    return found | {"DEFAULT": family.DEFAULT} if found else {}


def _urls(model: str) -> dict[str, str]:
    return {name: member.url for name, member in _published(model).items()}


def _create(model: str, options: dict[str, Any]) -> Any:
    from torchvision.models import get_model

    _published(model)  # an unknown name ends here
    try:
        return get_model(model, weights=None, **options)
    except Exception as error:
        raise AutoALError(
            f"backbone.options: torchvision can't build {model}: {str(error).splitlines()[0]}"
        ) from error


def _without_head(net: Any, model: str) -> Any:
    for name, _ in list(net.named_children()):
        if name.lower().startswith("aux"):
            # Auxiliary classifiers, which only training from scratch uses.
            setattr(net, name, None)
    if hasattr(net, "aux_logits"):
        net.aux_logits = False
    head_name = next((name for name in HEADS if isinstance(getattr(net, name, None), nn.Module)), None)
    if head_name is None:
        raise AutoALError(f"torchvision model {model} has no classifier ({', '.join(HEADS)})")
    head = getattr(net, head_name)
    if not isinstance(head, nn.Sequential):
        setattr(net, head_name, nn.Identity())
        return net
    last = max((i for i, m in enumerate(head) if isinstance(m, nn.Linear | nn.Conv2d)), default=0)
    for position, module in enumerate(head):
        # Replaced in their places, so that the names of the layers before stay those of the weights.
        if position == last or isinstance(module, nn.Dropout):
            head[position] = nn.Identity()
    for position in range(last + 1, len(head)):
        if isinstance(head[position], nn.ReLU):
            head[position] = nn.Identity()
    return net


def _named_as(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give weights the names of the network's: ``features.`` in front where it was left out."""
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    own = net.state_dict()
    if any(name in own for name in plain):
        return plain
    return {f"features.{name}" if f"features.{name}" in own else name: value for name, value in plain.items()}


def _fit_channels(net: nn.Module, channels: int) -> None:
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = adapt_input_weight(module.weight.data, channels)
            module.weight, module.in_channels = nn.Parameter(weight), channels
            assert name
            return
