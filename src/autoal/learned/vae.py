"""Variational auto-encoders for images of any size and for vectors, and a discriminator of their codes."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class VAEOutput(NamedTuple):
    """What a pass through the auto-encoder yields.

    Attributes:
        reconstruction: Of the shape of the input.
        mean: Mean of the code ``(B, Z)``.
        log_variance: Its log variance ``(B, Z)``.
        code: The sampled code ``(B, Z)``.
    """

    reconstruction: Tensor
    mean: Tensor
    log_variance: Tensor
    code: Tensor


class VAE(nn.Module):
    """Encoder and decoder around a Gaussian code; see :func:`make_vae`.

    Args:
        encoder: Inputs -> ``(B, hidden)``.
        hidden: Width of what the encoder returns.
        decoder: ``(B, Z)`` -> inputs.
        latent: Width Z of the code.
    """

    def __init__(self, encoder: nn.Module, hidden: int, decoder: nn.Module, latent: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the code, both ``(B, Z)``."""
        h = self.encoder(x)
        # Beyond these bounds the exponential of an untrained encoder's output overflows.
        return self.mean(h), self.log_variance(h).clamp(-10.0, 10.0)

    def forward(self, x: Tensor, noise: Tensor) -> VAEOutput:
        """Encode, sample and decode.

        Args:
            x: Inputs ``(B, *input_shape)``.
            noise: Standard normal ``(B, Z)``.
        """
        mean, log_variance = self.encode(x)
        code = mean + noise * (0.5 * log_variance).exp()
        return VAEOutput(self.decoder(code), mean, log_variance, code)


def negative_elbo(x: Tensor, out: VAEOutput, beta: float) -> Tensor:
    r"""Return the negative evidence lower bound of each sample up to a constant, in nats, ``(B,)``.

    .. math:: \tfrac12 \|x - \hat x\|^2 + \beta\, KL\big(N(\mu, \sigma^2) \,\|\, N(0, I)\big)

    Both terms are sums over their own dimensions for one sample, as the bound of a Gaussian decoder has it.
    """
    error = 0.5 * (x - out.reconstruction).square().flatten(1).sum(1)
    divergence = 0.5 * (out.log_variance.exp() + out.mean.square() - 1.0 - out.log_variance).sum(1)
    value: Tensor = error + beta * divergence
    return value


class Discriminator(nn.Module):
    """MLP of two hidden layers: code ``(B, Z)`` -> logit ``(B,)`` of "this sample is labelled".

    Args:
        latent: Width Z of the code.
        hidden: Units per hidden layer.
    """

    def __init__(self, latent: int, hidden: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, code: Tensor) -> Tensor:
        """Return the logits."""
        value: Tensor = self.layers(code).squeeze(1)
        return value


def make_vae(input_shape: tuple[int, ...], latent: int, width: int) -> VAE:
    """Build the auto-encoder of a dataset's samples: convolutions for images, linear layers otherwise.

    Args:
        input_shape: ``(C, H, W)`` of any size, or any other shape.
        latent: Width of the code.
        width: Channels of the first convolution (doubled by each), or a quarter of the hidden units.
    """
    if len(input_shape) == 3:
        return _conv_vae(input_shape, latent, width)
    size, hidden = math.prod(input_shape), 4 * width
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
    decoder = nn.Sequential(
        nn.Linear(latent, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, size),
        nn.Unflatten(1, input_shape),
    )
    return VAE(encoder, hidden, decoder, latent)


def usual_width(input_shape: tuple[int, ...]) -> int:
    """Return the width that suits a dataset's samples.

    It is 4 channels per pixel of an image's longer side and at most 128, the published number, which holds for
    images of 32 pixels and more and for vectors. A wider network for smaller images costs the square of the factor
    and has nothing more to encode.

    >>> usual_width((3, 32, 32)), usual_width((1, 8, 8)), usual_width((20,))
    (128, 32, 128)
    """
    return min(128, 4 * max(input_shape[1:])) if len(input_shape) == 3 else 128


def _norm(channels: int) -> nn.GroupNorm:
    # Statistics of each sample only: a batch may be spread over ranks, and may be small.
    return nn.GroupNorm(math.gcd(8, channels), channels)


def _conv_vae(input_shape: tuple[int, ...], latent: int, width: int) -> VAE:
    """Halve the image until its shorter side is 2 at most, four times at most, and mirror that to decode."""
    channels, height, width_px = input_shape
    sizes, dims = [(height, width_px)], [channels]
    while len(sizes) <= 4 and min(sizes[-1]) > 2:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        dims.append(width * 2 ** (len(dims) - 1))
    down: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(dims):
        down += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False), _norm(n_out), nn.ReLU()]
    flat = dims[-1] * sizes[-1][0] * sizes[-1][1]
    up: list[nn.Module] = [nn.Linear(latent, flat), nn.ReLU(), nn.Unflatten(1, (dims[-1], *sizes[-1]))]
    for i in range(len(dims) - 1, 0, -1):
        up.append(nn.Upsample(size=sizes[i - 1], mode="nearest"))
        up.append(nn.Conv2d(dims[i], dims[i - 1], 3, padding=1))
        if i > 1:
            up += [_norm(dims[i - 1]), nn.ReLU()]
    return VAE(nn.Sequential(*down, nn.Flatten()), flat, nn.Sequential(*up), latent)


def sample_noise(n: int, latent: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise ``(n, latent)`` on the CPU, the same on every rank."""
    return torch.randn(n, latent, generator=generator)
