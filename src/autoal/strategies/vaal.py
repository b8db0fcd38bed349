"""Variational adversarial active learning: an auto-encoder against a discriminator of the two pools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoal.config.values import Count, LearningRate, NotNegative
from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.learned.vae import VAE, Discriminator, make_vae, negative_elbo, sample_noise, usual_width
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.passes import dtype_of, endless_batches, map_rows, world_of
from autoal.query.registry import register
from autoal.training.hooks import seeded
from autoal.training.inference import Needs, evaluating

bce = nn.functional.binary_cross_entropy_with_logits


@dataclass
class Half:
    """This rank's share of a batch of one pool.

    Attributes:
        inputs: ``(B, *input_shape)``.
        noise: ``(B, Z)``.
        weight: Weight of each sample: 1/n over the global batch of n, times the number of ranks; 0 for a
            sample that only fills an empty rank.
    """

    inputs: Tensor
    noise: Tensor
    weight: float


class Adversaries:
    """The auto-encoder and the discriminator of one query, and their training.

    Args:
        ctx: The query.
        latent: Width of the code.
        width: See :func:`autoal.learned.vae.make_vae`; None: :func:`~autoal.learned.vae.usual_width`.
        beta: Weight of the divergence in the bound.
        adversary: Weight of fooling the discriminator in the auto-encoder's loss.
        lr: Learning rate of both.
        batch_size: Samples of each pool per step.
    """

    def __init__(
        self,
        ctx: QueryContext,
        latent: int,
        width: int | None,
        beta: float,
        adversary: float,
        lr: float,
        batch_size: int,
    ) -> None:
        self.ctx, self.latent, self.beta, self.adversary = ctx, latent, beta, adversary
        self.world: World = world_of(ctx)
        shape = tuple(ctx.inputs(ctx.unlabelled.ids[:1]).shape[1:])
        width = usual_width(shape) if width is None else width
        self.vae: VAE = seeded(lambda: make_vae(shape, latent, width), ctx.stream_seed("vae"))
        self.judge = seeded(lambda: Discriminator(latent), ctx.stream_seed("discriminator"))
        self.dtype = dtype_of(ctx)
        self.vae.to(ctx.device, self.dtype)
        self.judge.to(ctx.device, self.dtype)
        modules: list[nn.Module] = [self.vae, self.judge]
        self.optimizers = {m: torch.optim.Adam(m.parameters(), lr=lr) for m in modules}
        self.noise = ctx.generator("noise")
        self.batches = [
            self._halves(ids, batch_size, ctx.stream_seed("order", i))
            for i, ids in enumerate((ctx.labelled_ids, ctx.unlabelled.ids))
        ]

    def _halves(self, ids: Tensor, batch_size: int, seed: int) -> Iterator[Half]:
        for rows in endless_batches(len(ids), batch_size, seed):
            noise = sample_noise(len(rows), self.latent, self.noise)
            mine, weight = self.world.shard(rows), self.world.size / len(rows)
            if len(mine):
                noise = self.world.shard(noise)
            else:
                mine, noise, weight = rows[:1], noise[:1], 0.0
            yield Half(self.ctx.inputs(ids[mine]).to(self.dtype), noise.to(self.ctx.device, self.dtype), weight)

    def step(self, module: nn.Module, loss: Tensor) -> Tensor:
        """Take one optimiser step on a module; returns the loss, detached."""
        parameters = list(module.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.world.average_gradients(parameters)
        self.optimizers[module].step()
        return loss.detach()

    def train_step(self, vae_steps: int, judge_steps: int) -> tuple[Tensor, Tensor]:
        """Update the auto-encoder, then the discriminator, some times each; returns the last loss of each."""
        for _ in range(vae_steps):
            vae_loss = self.step(self.vae, self.vae_loss())
        for _ in range(judge_steps):
            judge_loss = self.step(self.judge, self.judge_loss())
        return vae_loss, judge_loss

    def vae_loss(self) -> Tensor:
        r"""Return :math:`L_{VAE} = L_{trd} + \lambda L_{adv}` of the next batches of both pools.

        :math:`L_{trd}` is the negative bound of labelled and unlabelled samples alike; :math:`L_{adv}` asks
        that the discriminator take both for labelled.
        """
        total = torch.zeros((), device=self.ctx.device, dtype=self.dtype)
        for half in (next(b) for b in self.batches):
            out = self.vae(half.inputs, half.noise)
            logits = self.judge(out.mean)
            fooled = bce(logits, torch.ones_like(logits), reduction="none")
            losses = negative_elbo(half.inputs, out, self.beta) + self.adversary * fooled
            total = total + half.weight * losses.sum()
        return total

    def judge_loss(self) -> Tensor:
        """Return the discriminator's loss: labelled samples are 1, unlabelled samples are 0."""
        total = torch.zeros((), device=self.ctx.device, dtype=self.dtype)
        for half, truth in zip((next(b) for b in self.batches), (1.0, 0.0), strict=True):
            with torch.no_grad():
                mean, _ = self.vae.encode(half.inputs)
            logits = self.judge(mean)
            total = total + half.weight * bce(logits, torch.full_like(logits, truth), reduction="sum")
        return total


@register("vaal")
class VAAL(QueryStrategy):
    """The samples that a discriminator is surest are unlabelled, from codes made to deceive it.

    Auto-encoder and discriminator are trained anew for every query, in the phase ``vae``. Against the released
    code, reconstruction error and divergence are both sums over one sample (see
    :func:`~autoal.learned.vae.negative_elbo`), and group norm stands where batch norm stood.

    Of all strategies this one costs the most. For a larger pool of N and batches of B a query takes ``epochs``
    times N / B steps (rounded up), ``max_steps`` at most. In a step 2 B ``vae_steps`` samples go forward and
    backward through the auto-encoder and 2 B ``judge_steps`` go through its encoder. Measured on one CPU core with
    the defaults: 0.05 s per step and 10 s per query on the digits (8 pixels, N = 1,160), 5.5 s per step and an
    hour and a half per query on MNIST (28 pixels). Beyond small images it wants a GPU, or a smaller ``width``. The
    paper trains ``epochs=100 max_steps=null width=128``: on the digits that takes 20 times as long.

    Args:
        epochs: Passes over the larger pool.
        max_steps: Upper bound of steps (each: ``vae_steps`` and ``judge_steps``); None: epochs alone decide.
        latent: Width of the code.
        width: Channels of the first convolution, which each further one doubles; None: as suits the size of the
            images (:func:`~autoal.learned.vae.usual_width`).
        beta: Weight of the divergence.
        adversary: Weight of fooling the discriminator.
        lr: Learning rate.
        batch_size: Samples of each pool per step.
        vae_steps: Updates of the auto-encoder per step.
        judge_steps: Updates of the discriminator per step.
    """

    info = StrategyInfo(
        "adversarial",
        "most surely unlabelled to a discriminator of VAE codes",
        "Sinha, Ebrahimi, Darrell: Variational Adversarial Active Learning",
        "ICCV 2019",
    )

    def __init__(
        self,
        epochs: Count = 20,
        max_steps: Count | None = 1000,
        latent: Count = 32,
        width: Count | None = None,
        beta: float = 1.0,
        adversary: NotNegative = 1.0,
        lr: LearningRate = 5e-4,
        batch_size: Count = 128,
        vae_steps: Count = 2,
        judge_steps: Count = 1,
    ) -> None:
        sizes = {"epochs": epochs, "max_steps": max_steps, "latent": latent, "width": width}
        sizes |= {"batch_size": batch_size, "vae_steps": vae_steps, "judge_steps": judge_steps}
        for key, value in sizes.items():
            if value is not None and value < 1:
                raise AutoALError(f"vaal: {key}={value} must be at least 1")
        self.epochs, self.max_steps, self.batch_size = epochs, max_steps, batch_size
        self.latent, self.width, self.beta, self.adversary, self.lr = latent, width, beta, adversary, lr
        self.vae_steps, self.judge_steps = vae_steps, judge_steps

    @property
    def needs(self) -> Needs:
        """Nothing of the classifier."""
        return Needs()

    def steps(self, larger: int) -> int:
        """Return how many steps a query takes, for the size of the larger pool."""
        steps = self.epochs * -(-larger // self.batch_size)
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def adversaries(self, ctx: QueryContext) -> Adversaries:
        """Return both networks of a query, untrained."""
        return Adversaries(ctx, self.latent, self.width, self.beta, self.adversary, self.lr, self.batch_size)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Train both networks and take the lowest scores of "labelled"."""
        pair = self.adversaries(ctx)
        vae_loss, judge_loss = self._train(ctx, pair)
        vae, judge = pair.vae, pair.judge
        with ctx.phase("vae_scores") as progress, evaluating(vae), evaluating(judge):
            unlabelled, labelled = (
                map_rows(ctx, ids, 1, lambda x: judge(vae.encode(x.to(pair.dtype))[0])[:, None], progress=progress)
                for ids in (ctx.unlabelled.ids, ctx.labelled_ids)
            )
        score = -unlabelled.squeeze(1)
        rows = top_n(score, n)
        log = {
            "vaal_vae_loss": vae_loss,
            "vaal_judge_loss": judge_loss,
            "vaal_labelled": float(torch.sigmoid(labelled).mean()),
            "vaal_unlabelled": float(torch.sigmoid(unlabelled).mean()),
            "vaal_picked": float(torch.sigmoid(-score[rows]).mean()),
        }
        return Picks(rows, score[rows], log)

    def _train(self, ctx: QueryContext, pair: Adversaries) -> tuple[float, float]:
        """Train both; returns the last losses of the auto-encoder and of the discriminator."""
        steps = self.steps(max(len(ctx.unlabelled), len(ctx.labelled_ids)))
        vae_loss = judge_loss = torch.zeros((), device=ctx.device)
        with ctx.phase("vae") as progress:
            for step in range(steps):
                vae_loss, judge_loss = pair.train_step(self.vae_steps, self.judge_steps)
                progress(step + 1, steps)
        world = pair.world
        return float(world.sum(vae_loss)) / world.size, float(world.sum(judge_loss)) / world.size
