"""Wasserstein adversarial active learning: a critic tells unlabelled from labelled features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autoal import rng
from autoal.config.values import Count, LearningRate, NotNegative, Positive
from autoal.data.batch import Batch
from autoal.errors import AutoALError
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.learned.critic import Critic, critic_step, gap
from autoal.models.classifier import Classifier, ClassifierOutput
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.passes import dtype_of, endless_batches
from autoal.query.registry import register
from autoal.training.hooks import TrainingHook, global_size, real_rows, reset, seeded
from autoal.training.inference import Needs
from autoal.training.task import Task


class WassersteinHook(TrainingHook):
    r"""Trains the classifier on unlabelled samples too, against a critic of its embedding.

    .. math:: \min_{f, h} \max_g \; \frac1B \sum_{x \in L} \ell(h(f(x)), y)
              + \mu \Big( \frac1B \sum_{x \in U} g(f(x)) - \frac1B \sum_{x \in L} g(f(x)) \Big)

    (Shui et al. 2020), with the critic kept near 1-Lipschitz by a gradient penalty. Each batch of B
    labelled samples is met by B unlabelled ones, drawn afresh, so an epoch is as long as without the critic.

    Args:
        dim: Width of the embedding.
        task: The experiment.
        weight: :math:`\mu`.
        penalty: Weight of the gradient penalty.
        critic_lr: Learning rate of the critic's Adam.
        critic_steps: Steps of the critic per batch.
        hidden: Units of the critic's hidden layers.
    """

    def __init__(
        self,
        dim: int,
        task: Task,
        weight: float,
        penalty: float,
        critic_lr: float,
        critic_steps: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.task, self.weight, self.penalty = task, weight, penalty
        self.critic_lr, self.critic_steps = critic_lr, critic_steps
        self._build = lambda: Critic(dim, hidden)
        self.critic = seeded(self._build, self._seed("init")).requires_grad_(False)
        # Sum and number of gaps of this round.
        self.register_buffer("gaps", torch.zeros(2))
        self.gaps: Tensor
        self.steps = 0
        self._optimizer: torch.optim.Optimizer | None = None
        self._restored: dict[str, Any] | None = None

    def _seed(self, *name: str | int) -> int:
        return rng.stream_seed(self.task.seed, "waal", *name)

    def on_round_start(self, round_: int) -> None:
        """Reset the critic and its optimiser with the classifier."""
        reset(self.critic, self._build, self._seed("init"))
        self.gaps.zero_()
        self.steps, self._optimizer, self._restored = 0, None, None

    def extra_loss(self, net: Classifier, batch: Batch, output: ClassifierOutput) -> Tensor | None:
        """Let the critic take its steps, and return what it adds to the classifier's loss."""
        world, data = self.task.data.world, self.task.data
        if len(data.pool.unlabelled) == 0:
            return None
        n = global_size(batch, world)
        device = output.embedding.device
        inputs = self._unlabelled(n, len(batch.ids), device, batch.inputs.dtype)
        weight = (real_rows(batch) * (world.size / n)).to(device)
        mixes = torch.rand(self.critic_steps, n, 1, generator=self._stream("mix"))
        embedded = net.embed(inputs)
        # The critic's penalty differentiates twice, which half precision does not survive.
        with torch.autocast(device.type, enabled=False):
            dtype = next(self.critic.parameters()).dtype
            labelled = output.embedding.to(dtype)
            unlabelled = embedded.to(dtype)
            weight = weight.to(dtype)
            for mix in mixes.to(device, dtype):
                mine = world.shard(mix) if len(world.shard(mix)) else mix[:1]
                value = critic_step(
                    self.critic,
                    self.optimizer(),
                    labelled.detach(),
                    unlabelled.detach(),
                    mine,
                    weight,
                    self.penalty,
                    world.average_gradients,
                )
            total = world.sum(value) / world.size
            self.gaps += torch.stack([total, torch.ones_like(total)])
            self.steps += 1
            return self.weight * gap(self.critic, labelled, unlabelled, weight)

    def _stream(self, name: str) -> torch.Generator:
        return rng.generator(self._seed(name, self.task.data.round, self.steps))

    def _unlabelled(self, n: int, n_mine: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return this rank's share ``(n_mine, *input_shape)`` of n random unlabelled training inputs."""
        data = self.task.data
        pool = data.pool.unlabelled
        ids = pool[torch.randint(len(pool), (n,), generator=self._stream("unlabelled"))]
        mine = data.world.shard(ids)[:n_mine] if len(data.world.shard(ids)) else ids[:1]
        raw = data.split("train").source.fetch(mine).to(device)
        return data.transform.train(raw, self._seed("augment", data.round, self.steps), mine.to(device), dtype)

    def optimizer(self) -> torch.optim.Optimizer:
        """Return the critic's optimiser, made when it is first needed: the parameters are on the device then."""
        if self._optimizer is None:
            self._optimizer = torch.optim.Adam(self.critic.parameters(), lr=self.critic_lr)
            if self._restored:
                self._optimizer.load_state_dict(self._restored)
                self._restored = None
        return self._optimizer

    def on_round_end(self) -> dict[str, float]:
        """Return the mean Wasserstein distance that the critic saw in the round."""
        total, count = self.gaps.tolist()
        return {"waal_distance": total / max(count, 1.0)}

    def get_extra_state(self) -> dict[str, Any]:
        """Return the optimiser's state and the place in the random streams."""
        state = self._restored if self._optimizer is None else self._optimizer.state_dict()
        return {"optimizer": state or {}, "steps": self.steps}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore :meth:`get_extra_state`."""
        self.steps, self._optimizer, self._restored = int(state["steps"]), None, state["optimizer"] or None


@register("waal")
class WAAL(QueryStrategy):
    r"""Uncertain samples whose features are unlike those of the labelled ones, as told by a Wasserstein critic.

    Picks the n lowest of :math:`\tfrac12 \|\ell\|_2 + \tfrac12 \|\ell\|_1 - \nu g(f(x))`, where
    :math:`\ell_c = -\log p_c`: both norms are least for the uniform prediction (Shui et al. 2020). A critic
    without sigmoid has no scale of its own, so :math:`g` is standardised over the pool. The released program
    takes 10 times a sigmoid, whose standard deviation is a fraction of 1; hence the default of 3.
    Where the critic could not be trained along (as a candidate of another strategy), it is trained on the
    finished classifier's embeddings.

    Args:
        weight: Weight :math:`\mu` of the critic in the classifier's training.
        selection: Weight :math:`\nu` of the standardised critic in the query.
        penalty: Weight of the gradient penalty.
        critic_lr: Learning rate of the critic.
        critic_steps: Steps of the critic per batch.
        hidden: Units of the critic's hidden layers.
        fit_steps: Steps where the critic is trained after the classifier.
    """

    info = StrategyInfo(
        "adversarial",
        "uncertain samples unlike the labelled ones to a Wasserstein critic",
        "Shui, Zhou, Gagne, Wang: Deep Active Learning: Unified and Principled Method for Query and Training",
        "AISTATS 2020",
    )

    def __init__(
        self,
        weight: NotNegative = 1e-3,
        selection: NotNegative = 3.0,
        penalty: Positive = 10.0,
        critic_lr: LearningRate = 1e-3,
        critic_steps: Count = 1,
        hidden: Count = 128,
        fit_steps: Count = 1000,
    ) -> None:
        if weight < 0 or penalty <= 0 or critic_lr <= 0 or critic_steps < 1:
            raise AutoALError(
                f"waal: weight={weight} must not be negative, penalty={penalty} and critic_lr={critic_lr} "
                f"must be positive, critic_steps={critic_steps} at least 1"
            )
        self.weight, self.selection, self.penalty = weight, selection, penalty
        self.critic_lr, self.critic_steps, self.hidden = critic_lr, critic_steps, hidden
        self.fit_steps = fit_steps
        self._hook: WassersteinHook | None = None

    @property
    def needs(self) -> Needs:
        """Embeddings of both pools."""
        return Needs(embeddings=True, labelled=True)

    def training_hook(self, task: Task) -> TrainingHook:
        """Return the hook that trains classifier and critic against each other."""
        dim = task.initial_net().embedding_dim
        self._hook = WassersteinHook(
            dim, task, self.weight, self.penalty, self.critic_lr, self.critic_steps, self.hidden
        )
        return self._hook

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Score the pool and take the best."""
        critic = self._hook.critic if self._hook is not None else self._fit(ctx)
        dtype = next(critic.parameters()).dtype
        with torch.no_grad():
            value = critic(ctx.embeddings.to(dtype)).double()
            home = critic(ctx.labelled_embeddings.to(dtype)).double()
        losses = -torch.log_softmax(ctx.unlabelled.logits.double(), dim=1)
        certainty = 0.5 * losses.norm(dim=1) + 0.5 * losses.sum(dim=1)
        score = self.selection * _standardised(value) - certainty
        rows = top_n(score, n)
        log = {"waal_gap": float(value.mean() - home.mean()), "waal_critic": float(value[rows].mean())}
        return Picks(rows, score[rows], log)

    def _fit(self, ctx: QueryContext) -> Critic:
        """Train a critic on the finished classifier's embeddings (every rank computes the same)."""
        dtype = dtype_of(ctx)
        pools = [ctx.labelled_embeddings.to(dtype), ctx.embeddings.to(dtype)]
        critic = seeded(lambda: Critic(pools[0].shape[1], self.hidden), ctx.stream_seed("init"))
        critic = critic.to(ctx.device, dtype).requires_grad_(False)
        optimizer = torch.optim.Adam(critic.parameters(), lr=self.critic_lr)
        size = min(64, *(len(pool) for pool in pools))
        draws = [endless_batches(len(pool), size, ctx.stream_seed("batches", i)) for i, pool in enumerate(pools)]
        mixing = ctx.generator("mix")
        with ctx.phase("critic") as progress:
            for step in range(self.fit_steps):
                rows = [next(draw).to(ctx.device) for draw in draws]
                b = min(len(r) for r in rows)
                labelled, unlabelled = (pool[r[:b]] for pool, r in zip(pools, rows, strict=True))
                mix = torch.rand(b, 1, generator=mixing).to(ctx.device, dtype)
                weight = torch.full((b,), 1.0 / b, device=ctx.device, dtype=dtype)
                critic_step(critic, optimizer, labelled, unlabelled, mix, weight, self.penalty, lambda _: None)
                progress(step + 1, self.fit_steps)
        return critic


def _standardised(value: Tensor) -> Tensor:
    spread = value.std(unbiased=False)
    return (value - value.mean()) / torch.where(spread > 0, spread, 1.0)
