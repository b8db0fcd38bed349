"""Pretrained weights: where they are looked for, and what to do on a machine without network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from autoal.errors import AutoALError, unknown_name


def load_weights(spec: str, urls: Mapping[str, str], backbone: str) -> dict[str, Tensor]:
    """Load the state dict that ``backbone.pretrained`` names.

    Weights are read with ``weights_only=True``: a file can't run code.

    Args:
        spec: A key of ``urls``, or the path of a file that holds a state dict.
        urls: The published weights of this backbone, by name.
        backbone: Name of the backbone, for the messages.

    Raises:
        AutoALError: If the file is neither there nor to be had, or is no state dict. Says which file is
            missing and where to put it.
    """
    if spec in urls:
        path = _published(urls[spec], spec, backbone)
    else:
        path = Path(spec).expanduser()
        if not path.exists():
            if path.suffix == "" and path.parent == Path():
                raise unknown_name(f"backbone.pretrained for {backbone}", spec, [*urls, "PATH"])
            raise AutoALError(f"backbone.pretrained: no weights at {path.absolute()}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AutoALError(
            f"backbone.pretrained={spec}: {path} is not a readable weights file: {reason}"
        ) from error
    for key in ("state_dict", "model", "teacher"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise AutoALError(f"{path} holds no state dict of tensors")
    return state


def _published(url: str, spec: str, backbone: str) -> Path:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / Path(urlparse(url).path).name
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except Exception as error:
        raise AutoALError(
            f"backbone {backbone} with pretrained={spec} needs {path.name}, which can't be fetched from here "
            f"({error}); download {url} on a machine with network and put it at {path}"
        ) from error
    return path


def adapt_input_weight(weight: Tensor, channels: int) -> Tensor:
    """Fit the first convolution's weights to another number of input channels.

    The RGB filters are repeated over the channels and scaled by ``3 / channels``, so that a grey image
    gives what its RGB copy would.

    Args:
        weight: Shape ``(C_out, 3, k, k)``.
        channels: Wanted number of input channels.

    Returns:
        Weights of shape ``(C_out, channels, k, k)``.
    """
    if weight.shape[1] == channels:
        return weight
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeats = -(-channels // weight.shape[1])
    return weight.repeat(1, repeats, 1, 1)[:, :channels] * (weight.shape[1] / channels)


def fit_state(module: nn.Module, state: Mapping[str, Tensor], where: str, unused: tuple[str, ...] = ()) -> None:
    """Load weights that must be exactly the module's, but for parts it does not have (old heads).

    Args:
        module: Gets the weights.
        state: The weights.
        where: What they are, for the message.
        unused: Beginnings of names that are left out.

    Raises:
        AutoALError: If one is missing, has another shape or no place; names the first.
    """
    own = module.state_dict()
    surplus = [name for name in state if name not in own and not name.startswith(unused)]
    if surplus:
        raise AutoALError(f"{where}: the network has no '{surplus[0]}'; the weights belong to another network")
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            # A counter that old files lack and that only matters without a fixed momentum.
            continue
        if name not in state:
            raise AutoALError(f"{where}: the weights hold no '{name}'; they belong to another network")
        if state[name].shape != value.shape:
            raise AutoALError(
                f"{where}: '{name}' has shape {tuple(state[name].shape)}, the network's has {tuple(value.shape)}"
            )
    # Into the module's own dict: it carries the versions that some modules ask for when they load.
    own.update({name: state[name] for name in own if name in state})
    module.load_state_dict(own)
