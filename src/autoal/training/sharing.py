"""Whether the processes of an experiment gain by sharing the steps of a further network's training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoal.distributed import World
from autoal.training.inference import evaluating, network_dtype

STEP_FLOPS = 1e9
"""Operations of a batch's forward pass from which processes share it.

Below, the exchange of gradients takes longer than the half of the batch that is saved, so every process does the
whole step by itself; ``experiments/benchmarks/ddp.py --crossover`` measures it. A small network is far below, an
image network far above, on a CPU as on a GPU.
"""


def step_flops(net: nn.Module, input_shape: Sequence[int], batch_size: int) -> int:
    """Return about how many floating-point operations a network's forward pass takes for a batch.

    Counts the products with the weights of linear and convolutional layers.

    Args:
        net: The network, on any device; it is not changed.
        input_shape: Shape of one input.
        batch_size: Samples in the batch.

    Example:
        >>> step_flops(nn.Linear(10, 5), (10,), batch_size=3)
        300
    """
    device = next(net.parameters()).device
    one = torch.zeros((1, *input_shape), device=device, dtype=network_dtype(net))
    found: list[int] = []

    def count(module: nn.Module, inputs: object, output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        # Each weight is used once per place of the output: a pixel, or a token.
        found.append(2 * weight.numel() * output.numel() // weight.shape[0])

    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with evaluating(net):
            net(one)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(found) * batch_size


def sharers(net: nn.Module, input_shape: Sequence[int], batch_size: int, world: World) -> World:
    """Return over whom the steps of a network are shared: all processes, or this one only.

    The answer is the same on every process, and so is the network after steps that each takes by itself, but for
    rounding on unequal devices; :meth:`~autoal.distributed.World.sync` makes it rank 0's.

    Args:
        net: The network.
        input_shape: Shape of one input.
        batch_size: Samples in a batch over all processes.
        world: All processes.
    """
    if world.size == 1 or step_flops(net, input_shape, batch_size) >= STEP_FLOPS:
        return world
    return World()
