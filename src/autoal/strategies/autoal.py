"""AutoAL and its presets: candidates vote, their weights are given or learnt, and a batch is chosen by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress
from autoal.kernels.types import Picks
from autoal.models.classifier import Classifier
from autoal.query.calibrate import bandwidth_of, calibrated_uncertainty
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.kept import KeptProducts
from autoal.query.registry import register
from autoal.rundir.names import WEIGHTS
from autoal.search.features import FEATURES
from autoal.search.fitnet import FitNetTrainer
from autoal.search.halves import MIN_LABELLED, Counts, hold_out, split_halves
from autoal.search.loop import Search, Source
from autoal.search.networks import Fetch, GlobalWeights, SearchNet
from autoal.search.options import SearchOptions
from autoal.search.plot import plot_weights
from autoal.search.query import choose, herded
from autoal.search.scoring import OBJECTIVES, combine
from autoal.search.votes import Candidates, cast_votes, fits_of
from autoal.search.weigh import pool_logits, warn_of_collapse, weight_columns
from autoal.training.inference import Needs
from autoal.training.sharing import sharers
from autoal.training.task import Task

_PAPER = "Wang, Zhan, Huang: AutoAL: Automated Active Learning with Differentiable Query Strategy Search"


@register("autoal")
class AutoAL(QueryStrategy):
    """A choice by the weighted votes of candidate strategies, with or without a search for the weights.

    By default nothing is learnt: weighted herding, tilted by the prior's votes, which no search has beaten yet.

    Args:
        **options: Any of :class:`~autoal.search.options.SearchOptions`; a preset changes their defaults.
    """

    info = StrategyInfo(
        "search",
        "covers what the classifier is unsure of, tilted by the candidates' votes at fixed weights",
        _PAPER,
        "ICML 2025",
    )
    details = (
        "vote_share_*",
        "search_expected",
        "search_anchor",
        "search_wanted",
        "search_steps",
        "search_forwards",
        "search_kmeans_fits",
    )
    preset: ClassVar[Mapping[str, Any]] = {}
    settings_type = SearchOptions

    def __init__(self, **options: Any) -> None:
        self.options = SearchOptions.of({**self.preset, **options})
        self.candidates = Candidates.of(self.options)
        self.features = FEATURES[self.options.features]
        self.objective = OBJECTIVES[self.options.objective]
        self.prior = torch.tensor(self.options.prior_of(self.candidates.names))
        self._kept: dict[str, dict[str, Tensor]] = {}
        self.products = KeptProducts()

    @property
    def needs(self) -> Needs:
        """What the candidates, the search and the query need together."""
        options = self.options
        own = Needs(
            embeddings=options.query == "kmeans",
            labelled=options.searches and options.vote_model == "task",
        )
        if options.searches:
            own = own | self.features.needs
        if options.query == "herding":
            own = own | Needs.of_features(options.query_features)
        return self.candidates.needs | own

    @property
    def needs_experiment(self) -> bool:
        """Whether it searches, which trains networks, or a candidate needs one."""
        return self.options.searches or any(c.needs_experiment for c in self.candidates.strategies)

    def check(self, net: Classifier) -> None:
        """Refuse what one of the candidates can't run in."""
        super().check(net)
        for candidate in self.candidates.strategies:
            candidate.check(net)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Vote, search, choose."""
        options, counts = self.options, Counts()
        with ctx.phase("votes") as progress:
            votes = cast_votes(self.candidates, ctx, n, options.pool_grading, options.window, progress)
            counts.kmeans_fits += fits_of(self.candidates.strategies)
        source: Source = GlobalWeights(self.prior).to(ctx.device)
        columns: dict[str, float] = {}
        if options.searches and len(self.candidates) > 1 and len(ctx.labelled_ids) >= MIN_LABELLED:
            source, columns = self.search(ctx, n, counts)
        with ctx.phase("query") as progress:
            nominated = votes.any(1)
            rows = (nominated if int(nominated.sum()) >= n else torch.ones_like(nominated)).nonzero().squeeze(1)
            world = ctx.task.data.world if ctx.task is not None else World()
            fetch = self.features.pool(ctx)
            logits, predicted = pool_logits(
                source, fetch, ctx.unlabelled.ids, rows, len(self.candidates), world, counts, progress
            )
            if options.query == "herding":
                picks = self.herd(ctx, logits, votes, n, progress)
            else:
                picks = self.take(ctx, logits, votes, predicted, n)
        columns |= weight_columns(self.candidates.names, torch.softmax(logits.float(), 1), votes, picks.index)
        if columns.get("search_steps"):
            warn_of_collapse(options, self.candidates.names, columns)
        columns["search_kmeans_fits"] = float(counts.kmeans_fits)
        return picks._replace(log=columns | picks.log)

    def take(self, ctx: QueryContext, logits: Tensor, votes: Tensor, predicted: Tensor | None, n: int) -> Picks:
        """Choose by scores: the highest, or the centres of clusters.

        Args:
            ctx: The query.
            logits: Of the candidates' weights ``(N, K)``.
            votes: ``(N, K)``.
            predicted: Predicted losses ``(N,)`` or None.
            n: The query batch b.
        """
        options, pool = self.options, ctx.unlabelled
        return choose(
            options.query,
            combine(self.objective.weights(logits.float()), votes),
            votes,
            pool.logits,
            pool.embeddings,
            predicted,
            n,
            ctx.generator("query"),
            options.query_weight,
            options.query_iterations,
        )

    def herd(
        self, ctx: QueryContext, logits: Tensor, votes: Tensor, n: int, progress: Progress | None = None
    ) -> Picks:
        """Choose by weighted herding, and say how much of the batch the prior would have bought as well.

        Args:
            ctx: The query.
            logits: Of the candidates' weights ``(N, K)``.
            votes: ``(N, K)``, graded over the whole pool.
            n: The query batch b.
            progress: Told (picks made, n).
        """
        options = self.options
        pool, known = ctx.features(options.query_features)
        unsure, temperature = calibrated_uncertainty(ctx, known, options.query_temperature)
        width = bandwidth_of(known, "minimum", options.query_scale, options.query_least)
        kept = self.products.of(ctx.unlabelled.ids, pool, ctx.world)

        def batch(weights: Tensor, progress: Progress | None = None) -> Picks:
            share, how = combine(weights, votes), (options.query_exponent, options.query_tilt)
            draw = ctx.generator("targets")
            return herded(
                pool, known, unsure, share, n, ctx.world, width, *how, options.query_targets, draw, progress, kept
            )

        weights = self.objective.weights(logits.float())
        picks = batch(weights, progress)
        log = {"temperature": temperature, "bandwidth": width}
        if options.searches:
            prior = batch(self.prior.to(votes).expand(len(votes), -1)) if options.query_tilt else picks
            log["prior_overlap"] = float(torch.isin(picks.index, prior.index).double().mean())
        return picks._replace(log=log)

    def search(self, ctx: QueryContext, n: int, counts: Counts) -> tuple[Source, dict[str, float]]:
        """Learn the weights on the labelled pool.

        Args:
            ctx: The query.
            n: The query batch b.
            counts: Counts forward passes and fits.

        Returns:
            The weight source, and columns of the round's row.
        """
        options, task = self.options, self.task_of(ctx)
        fetch = self.features.labelled(ctx)
        source = self.new_source(ctx, task)
        columns: dict[str, float] = {}
        for cycle in range(options.cycles):
            halves = split_halves(len(ctx.labelled_ids), ctx.generator("halves", cycle))
            with ctx.phase("warmup") as progress:
                fitnet, trainer = self.new_fitnet(ctx, task, fetch, cycle, counts)
                ids = ctx.labelled_ids[halves[0]]
                targets = ctx.labelled_targets[halves[0].to(ctx.labelled_targets.device)]
                if options.warmup == "task" and self.features.whole:
                    done = task.fit(fitnet, ids, targets, (*ctx.stream, "fitnet", cycle), progress)
                    counts.images["fitnet"] += done.epochs * len(ids)
                    columns["fitnet_train_acc"] = done.train_acc
                else:
                    columns["fitnet_loss"] = trainer.warm_up(
                        ids, targets.to(ctx.device), options.warmup_steps, progress
                    )
            # Ranks take the same steps; rounding may still part what each has.
            task.data.world.sync(fitnet)
            with ctx.phase("updates") as progress:
                half = hold_out(options, self.candidates, ctx, fitnet, halves, n, counts)
                search = Search(
                    options,
                    half,
                    source,
                    trainer,
                    fetch,
                    self.prior.to(ctx.device),
                    self._sharers(source, ctx, task),
                    ctx.generator("mixture", cycle),
                    counts,
                    task.mixed,
                )
                columns |= search.run(options.steps, progress)
                task.data.world.sync(source)
                images = sum(counts.images.values())
                columns |= {"search_steps": float(options.steps), "search_forwards": images / len(half)}
        self._keep(source, fitnet)
        return source, columns

    def task_of(self, ctx: QueryContext) -> Task:
        """Return the recipe for further networks.

        Raises:
            AutoALError: Outside an experiment, where nothing can be trained.
        """
        if ctx.task is None:
            raise AutoALError(
                f"strategy '{self.name}' trains networks and needs an experiment; outside one, use autoal"
            )
        return ctx.task

    def new_source(self, ctx: QueryContext, task: Task) -> Source:
        """Build what will be learnt, at the prior, or as the last round left it (``keep``)."""
        options = self.options
        source: Source
        if options.weights == "global":
            source = GlobalWeights(self.prior)
        else:
            seed = ctx.stream_seed("searchnet", "head")
            source = SearchNet(self.features.backbone(ctx, task), self.prior, options.searchnet, seed)
        if "searchnet" in options.keep and "searchnet" in self._kept:
            source.load_state_dict(self._kept["searchnet"])
        return source.to(device=ctx.device, dtype=task.dtype)

    def new_fitnet(
        self, ctx: QueryContext, task: Task, fetch: Fetch, cycle: int, counts: Counts
    ) -> tuple[Classifier, FitNetTrainer]:
        """Build FitNet, and its optimiser."""
        net = self.features.fitnet(ctx, task, cycle)
        if "fitnet" in self.options.keep and "fitnet" in self._kept:
            net.load_state_dict(self._kept["fitnet"])
        seed = ctx.stream_seed("fitnet", "dropout", cycle)
        world = self._sharers(net, ctx, task)
        return net, FitNetTrainer(net, fetch, world, self.options, seed, counts, task.mixed())

    def _sharers(self, net: torch.nn.Module, ctx: QueryContext, task: Task) -> World:
        """Return over whom the steps of a network of the search are shared."""
        if isinstance(net, GlobalWeights):
            return World()  # the same for all samples: every rank computes it whole, without a word
        shape = task.data.dataset.info.input_shape if self.features.whole else (ctx.embeddings.shape[1],)
        return sharers(net, shape, self.options.batch_size, task.data.world)

    def _keep(self, source: Source, fitnet: Classifier) -> None:
        nets: dict[str, torch.nn.Module] = {"searchnet": source, "fitnet": fitnet}
        for name in self.options.keep:
            self._kept[name] = {
                key: value.detach().cpu().clone() for key, value in nets[name].state_dict().items()
            }

    def write_figures(self, run_dir: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
        """Draw ``strategy_weights.png`` where weights are learnt; returns what was written."""
        if not self.options.searches:
            return []
        prior = dict(zip(self.candidates.names, self.prior.tolist(), strict=True))
        path = plot_weights(rows, Path(run_dir) / WEIGHTS, prior)
        return [] if path is None else [path]

    def state_dict(self) -> dict[str, Any]:
        """Return kept networks and the candidates' states."""
        pairs = zip(self.candidates.names, self.candidates.strategies, strict=True)
        return {
            "kept": {name: dict(state) for name, state in self._kept.items()},
            "candidates": {name: strategy.state_dict() for name, strategy in pairs},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._kept = {name: dict(kept) for name, kept in state["kept"].items()}
        for name, strategy in zip(self.candidates.names, self.candidates.strategies, strict=True):
            strategy.load_state_dict(state["candidates"][name])


@register("autoal_search")
class AutoALSearch(AutoAL):
    """Weights learnt on held-out labels, graded votes and a choice by weighted k-means."""

    info = StrategyInfo(
        "search", "learns on held-out labels how to weigh the candidates' votes", _PAPER, "ICML 2025"
    )
    preset: ClassVar[Mapping[str, Any]] = {"weights": "global", "query": "kmeans"}


@register("autoal_paper")
class AutoALPaper(AutoAL):
    """The paper's algorithm with its losses made differentiable: alternating updates, top-b choice."""

    info = StrategyInfo("search", "AutoAL as the paper describes it, made differentiable", _PAPER, "ICML 2025")
    preset: ClassVar[Mapping[str, Any]] = {
        "grading": "binary",
        "search_share": None,
        "weights": "sample",
        "prior": None,
        "objective": "sigmoid",
        "temperature": 0.1,
        "anchor": 0.0,
        "budget_penalty": 1.0,
        "warmup": "steps",
        "steps": 400,
        "alternate": True,
        "keep": ("searchnet",),
        "searchnet_optimizer": "sgd",
        "searchnet_lr": 0.005,
        "loss_prediction_lr": 0.005,
        "query": "topb",
        "query_weight": "none",
    }


@register("autoal_released")
class AutoALReleased(AutoAL):
    """The scoring of the authors' code, whose step function lets no gradient through; for comparison."""

    info = StrategyInfo("search", "the released code's scoring, which does not learn", _PAPER, "ICML 2025")
    preset: ClassVar[Mapping[str, Any]] = {
        **AutoALPaper.preset,
        "vote_model": "task",
        "objective": "released",
        "threshold": "gmm",
        "budget_penalty": 2.0,
        "ranking": 0.0,
        "fitnet_batch": "same",
        "keep": ("searchnet", "fitnet"),
        "searchnet_lr": 0.05,
        "loss_prediction_lr": 0.1,
        "fitnet_lr": 0.05,
        "weight_decay": 0.0005,
        "query": "released",
    }


@register("autoal_equal")
class AutoALEqual(AutoAL):
    """The same votes and the same choice as ``autoal``'s with equal weights: what its prior adds."""

    info = StrategyInfo("search", "AutoAL with equal weights, the control of its prior", _PAPER, "ICML 2025")
    preset: ClassVar[Mapping[str, Any]] = {"weights": "equal"}
