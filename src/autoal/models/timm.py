"""Any image model of the timm library (an extra)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from autoal.errors import AutoALError, unknown_name
from autoal.models.base import Backbone
from autoal.models.preprocessing import Preprocessing, from_timm
from autoal.models.pretrained import load_weights
from autoal.models.shapes import image_shape


class TimmBackbone(Backbone):
    """A model by its timm name, e.g. ``convnext_tiny`` or ``vit_small_patch14_dinov2``.

    Args:
        input_shape: ``(C, H, W)``.
        model: timm's name, with a tag after a dot where there are several sets of weights.
        pretrained: False, True (timm's weights for that name) or the path of a state dict.
        options: Further arguments of ``timm.create_model``.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        model: str,
        pretrained: bool | str = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(input_shape, model)
        self.net = _create(model, pretrained is True, channels, (height, width), dict(options or {}))
        if isinstance(pretrained, str):
            state = load_weights(pretrained, {}, model)
            own = self.net.state_dict()
            fitting = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
            absent = [k for k in own if k not in fitting]
            if absent:
                raise AutoALError(f"pretrained={pretrained} has no fitting '{absent[0]}' for {model}")
            self.net.load_state_dict(fitting)
        training = self.training
        try:
            with torch.no_grad():
                embedding, features = self.eval().stages(torch.zeros(1, channels, height, width))
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise AutoALError(
                f"timm model {model} can't take {channels}x{height}x{width} images: {reason}"
            ) from error
        self.train(training)
        self.embedding_dim = int(embedding.shape[1])
        self.stage_dims = tuple(int(f.shape[1]) for f in features)

    @classmethod
    def preprocessing(cls, options: Mapping[str, Any]) -> Preprocessing:
        """Return timm's evaluation transform for the model's name."""
        timm = _timm()
        name = str(options["model"])
        if not timm.is_model(name):
            raise unknown_name("timm model", name, timm.list_models())
        config = timm.get_pretrained_cfg(name)
        found = timm.data.resolve_data_config(pretrained_cfg=config.to_dict() if config else {})
        return from_timm(found)

    def parts(self) -> list[nn.Module]:
        """Return timm's top-level modules that have parameters; a list of blocks counts as its members."""
        parts: list[nn.Module] = []
        for child in self.net.children():
            members = list(child) if isinstance(child, nn.Sequential | nn.ModuleList) else [child]
            parts.extend(m for m in members if next(m.parameters(), None) is not None)
        return parts

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what timm feeds to its classifier, and its intermediate features."""
        if not hasattr(self.net, "forward_intermediates"):
            final = self.net.forward_features(x)
            return self.net.forward_head(final, pre_logits=True), [final]
        final, features = self.net.forward_intermediates(x)
        return self.net.forward_head(final, pre_logits=True), list(features)


def _timm() -> Any:
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise AutoALError("backbone=timm needs the timm library: pip install 'autoal[timm]'") from error
    return timm


def _create(name: str, pretrained: bool, channels: int, size: tuple[int, int], options: dict[str, Any]) -> Any:
    timm = _timm()
    if not timm.is_model(name):
        raise unknown_name("timm model", name, timm.list_models())
    base = {"pretrained": pretrained, "num_classes": 0, "in_chans": channels} | options
    try:
        try:
            return timm.create_model(name, img_size=size, **base)
        except TypeError:
            # Convolutional models take any size and know no such argument.
            return timm.create_model(name, **base)
    except Exception as error:
        if not pretrained:
            raise AutoALError(
                f"backbone.options: timm can't build {name}: {str(error).splitlines()[0]}"
            ) from error
        config: Any = timm.get_pretrained_cfg(name)
        source = (
            (config.hf_hub_id and f"https://huggingface.co/{config.hf_hub_id}")
            or config.url
            or "no published weights"
        )
        raise AutoALError(
            f"timm's weights of {name} are not in its cache and can't be fetched from here "
            f"({type(error).__name__}); get model.safetensors or a state dict from {source} on a machine with "
            "network and set backbone.pretrained to the file"
        ) from error
