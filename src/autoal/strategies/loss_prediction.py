"""Learning loss: a module on the classifier's stages predicts each sample's loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoal.config.values import Count, NotNegative, Whole
from autoal.data.batch import Batch
from autoal.errors import AutoALError
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.learned.loss_prediction import LossPrediction, pool_stages, ranking_loss
from autoal.models.classifier import Classifier, ClassifierOutput
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.passes import draw_subset, dtype_of, endless_batches, map_rows
from autoal.query.registry import register
from autoal.rng import stream_seed
from autoal.training.hooks import TrainingHook, global_size, real_rows, reset, seeded, whole_rows
from autoal.training.inference import Needs, evaluating
from autoal.training.task import Task


class LossPredictionHook(TrainingHook):
    r"""Trains the loss module along with the classifier.

    The loss of a batch becomes :math:`\frac1B \sum_i \ell_i + \lambda L_{rank}`, with

    .. math:: L_{rank} = \mathrm{mean}_{i,j}
        \max(0, -\mathrm{sign}(\ell_i - \ell_j)(\hat\ell_i - \hat\ell_j) + \xi)

    (Yoo & Kweon 2019, Eq. 2). The paper takes the mean over B/2 disjoint pairs, here it runs over all pairs
    of the global batch: the same expectation, and any batch size will do.

    Args:
        stage_dims: Channels of the backbone's stages.
        task: The experiment.
        weight: :math:`\lambda`.
        margin: :math:`\xi`.
        detach_epoch: From this epoch of a round on, the ranking trains only the module.
    """

    def __init__(
        self, stage_dims: tuple[int, ...], task: Task, weight: float, margin: float, detach_epoch: int
    ) -> None:
        super().__init__()
        self.stage_dims, self.task = stage_dims, task
        self.weight, self.margin, self.detach_epoch = weight, margin, detach_epoch
        self.predictor = seeded(lambda: LossPrediction(stage_dims), self._seed)
        self.detached = False
        # Sum and number of ranking losses of this round; a buffer, so that a resume in mid-round keeps it.
        self.register_buffer("ranking", torch.zeros(2))
        self.ranking: Tensor

    @property
    def _seed(self) -> int:
        return stream_seed(self.task.seed, "loss_prediction", "init")

    def on_round_start(self, round_: int) -> None:
        """Reset the module with the classifier."""
        reset(self.predictor, lambda: LossPrediction(self.stage_dims), self._seed)
        self.ranking.zero_()

    def on_epoch_start(self, round_: int, epoch: int) -> None:
        """Cut the ranking's gradient off from the backbone once the set epoch is reached."""
        self.detached = epoch >= self.detach_epoch

    def extra_loss(self, net: Classifier, batch: Batch, output: ClassifierOutput) -> Tensor:
        """Return the weighted ranking loss of the global batch."""
        world = self.task.data.world
        pooled = pool_stages(output.stages)
        if self.detached:
            pooled = [x.detach() for x in pooled]
        predicted = self.predictor(pooled)
        targets = batch.targets.to(output.logits.device)
        losses = nn.functional.cross_entropy(output.logits.detach(), targets, reduction="none")
        real = real_rows(batch).to(predicted.device)
        n = global_size(batch, world)
        value = ranking_loss(
            whole_rows(predicted[real], n, world), whole_rows(losses[real], n, world), self.margin
        )
        self.ranking += torch.stack([value.detach(), torch.ones_like(value)])
        # A rank that only fills in for others must still reach every parameter.
        term: Tensor = self.weight * world.size * value + 0.0 * predicted.sum()
        return term

    def on_round_end(self) -> dict[str, float]:
        """Return the mean ranking loss of the round."""
        total, count = self.ranking.tolist()
        detached = self.task.data.epoch - 1 >= self.detach_epoch
        return {"lpl_ranking_loss": total / max(count, 1.0), "lpl_detached": float(detached)}


@register("loss_prediction")
class LossPredictionLoss(QueryStrategy):
    """Highest loss as predicted by a module that is trained along with the classifier.

    Where the module could not be trained along (as a candidate of another strategy), it is trained on the
    finished classifier's stages and losses of the labelled samples.

    Args:
        weight: Weight of the ranking loss.
        margin: Margin of the hinge.
        detach_epoch: Epoch of a round from which the ranking no longer trains the backbone.
        subset: Choose among this many random samples of the pool, which keeps those of one kind from filling the
            batch; None: all.
        fit_epochs: Epochs over the labelled samples where the module is trained after the classifier.
    """

    info = StrategyInfo(
        "learned",
        "highest loss predicted by a module on the backbone's stages",
        "Yoo, Kweon: Learning Loss for Active Learning",
        "CVPR 2019",
    )

    def __init__(
        self,
        weight: NotNegative = 1.0,
        margin: float = 1.0,
        detach_epoch: Whole = 120,
        subset: Count | None = 10_000,
        fit_epochs: Count = 200,
    ) -> None:
        if weight <= 0 or margin <= 0:
            raise AutoALError(f"loss_prediction: weight={weight} and margin={margin} must be positive")
        self.weight, self.margin, self.detach_epoch = weight, margin, detach_epoch
        self.subset, self.fit_epochs = subset, fit_epochs
        self._hook: LossPredictionHook | None = None

    @property
    def needs(self) -> Needs:
        """Only logits; the stages are computed by a pass of its own."""
        return Needs()

    def training_hook(self, task: Task) -> TrainingHook:
        """Return the hook that trains the module with the classifier."""
        stage_dims = task.initial_net().backbone.stage_dims
        self._hook = LossPredictionHook(stage_dims, task, self.weight, self.margin, self.detach_epoch)
        return self._hook

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Predict the loss of the pool, or of a random subset, and take the highest."""
        rows = draw_subset(ctx, self.subset, n)
        log = {"lpl_subset": float(len(rows))}
        predictor = self._hook.predictor if self._hook is not None else self._fit(ctx)
        with ctx.phase("predict_loss") as progress, evaluating(ctx.net), evaluating(predictor):
            predicted = map_rows(
                ctx,
                ctx.unlabelled.ids[rows],
                1,
                lambda x: predictor(pool_stages(ctx.net.backbone.stages(x)[1]))[:, None],
                progress=progress,
            ).squeeze(1)
        best = top_n(predicted, n)
        log["lpl_predicted"] = float(predicted[best].mean())
        log["lpl_predicted_pool"] = float(predicted.mean())
        return Picks(rows.to(best.device)[best], predicted[best], log)

    def _fit(self, ctx: QueryContext) -> LossPrediction:
        """Train a module on the finished classifier (every rank computes the same)."""
        dims = ctx.net.backbone.stage_dims
        predictor = seeded(lambda: LossPrediction(dims), ctx.stream_seed("init")).to(ctx.device, dtype_of(ctx))
        with ctx.phase("fit_loss_module") as progress:
            with evaluating(ctx.net):
                features = map_rows(
                    ctx,
                    ctx.labelled_ids,
                    sum(dims) + ctx.net.head.out_features,
                    lambda x: _stages_and_logits(ctx.net, x),
                )
            targets = ctx.labelled_targets.to(ctx.device)
            losses = nn.functional.cross_entropy(features[:, sum(dims) :], targets, reduction="none")
            optimizer = torch.optim.Adam(predictor.parameters(), lr=1e-3)
            batches = endless_batches(len(targets), 128, ctx.stream_seed("batches"))
            steps = self.fit_epochs * -(-len(targets) // 128)
            for step, rows_ in zip(range(steps), batches, strict=False):
                at = rows_.to(ctx.device)
                pooled = list(features[at, : sum(dims)].split(list(dims), dim=1))
                loss = ranking_loss(predictor(pooled), losses[at], self.margin)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                progress(step + 1, steps)
        return predictor


def _stages_and_logits(net: Classifier, x: Tensor) -> Tensor:
    """Return pooled stages and logits side by side, ``(B, sum(stage_dims) + C)``."""
    output: ClassifierOutput = net(x)
    return torch.cat([*pool_stages(output.stages), output.logits], dim=1)
