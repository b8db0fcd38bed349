"""What a query strategy is: what it needs, what it is given, and the contract it keeps."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from autoal import rng
from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.models.classifier import Classifier
from autoal.query.truth import Truth
from autoal.training.inference import Needs, PoolOutputs

if TYPE_CHECKING:
    from autoal.data.oracle import Oracle
    from autoal.query.interactive import AnswerFn
    from autoal.training.hooks import TrainingHook
    from autoal.training.task import Task

T = TypeVar("T")

PhaseFn = Callable[[str], AbstractContextManager[Progress]]
"""``with phase("search") as progress: progress(done, total)`` times a phase and shows it."""


@dataclass(frozen=True)
class StrategyInfo:
    """What ``autoal list strategies`` shows.

    Attributes:
        family: ``"random"``, ``"uncertainty"``, ``"Bayesian"``, ``"diversity"``, ``"hybrid"``,
            ``"adversarial"``, ``"learned"``, ``"search"`` or ``"ceiling"`` (reads labels that it has not bought).
        summary: One line.
        paper: Authors and title.
        venue: Where and when it appeared.
    """

    family: str
    summary: str
    paper: str = ""
    venue: str = ""


class Selection(NamedTuple):
    """What a query returns.

    Attributes:
        ids: ``(n,)`` int64 sample ids, in order of choice.
        scores: ``(n,)`` float; higher means more wanted.
        log: Named scalars for the round's row.
    """

    ids: Tensor
    scores: Tensor
    log: dict[str, float]


@contextmanager
def silent_phase(name: str) -> Iterator[Progress]:
    """Stand in for a :data:`PhaseFn` where nobody watches."""
    yield lambda done, total: None


@dataclass(frozen=True)
class QueryContext:
    """Everything a strategy may look at when it is asked for a query.

    It holds only bought labels; nothing here leads to a label of the unlabelled pool, but for :attr:`answer`,
    which an interactive strategy is given and which charges for each, and :attr:`truth`, which a ceiling is given.

    Attributes:
        unlabelled: Outputs of the classifier on the unlabelled pool.
        labelled: Outputs on the labelled pool (if the strategy needs them), in ascending id order.
        labelled_targets: Bought labels ``(L,)`` in the order of ``labelled_ids``.
        labelled_ids: Ids of the labelled pool, ascending ``(L,)``.
        n_classes: Number of classes C, from the dataset's metadata.
        net: The trained classifier; strategies leave it as it is.
        inputs: ``inputs(ids) -> (B, *input_shape)``: eval-transformed network inputs on the device.
        seed: The experiment's seed.
        stream: Name of this query's random stream, unique per round.
        round: The round that ends with this query.
        phase: Times and shows a named phase of the query.
        task: Trains further networks by the experiment's own recipe; None outside an experiment.
        static: ``static(ids) -> (B, F)``: features not of the classifier; None where there are none.
        answer: Buys one label now, for an :attr:`~QueryStrategy.interactive` strategy; None for every other.
        truth: True labels, for a strategy that :attr:`~QueryStrategy.reads_truth`; None for every other.
    """

    unlabelled: PoolOutputs
    labelled_ids: Tensor
    labelled_targets: Tensor
    n_classes: int
    net: Classifier
    inputs: Callable[[Tensor], Tensor]
    seed: int = 0
    stream: tuple[str | int, ...] = ("strategy",)
    round: int = 0
    labelled: PoolOutputs | None = None
    phase: PhaseFn = field(default=silent_phase)
    task: Task | None = None
    static: Callable[[Tensor], Tensor] | None = None
    answer: AnswerFn | None = None
    truth: Truth | None = None

    @property
    def device(self) -> torch.device:
        """Where the outputs live."""
        return self.unlabelled.logits.device

    @property
    def world(self) -> World:
        """Over whom :attr:`embeddings` are spread; a world of one where every rank holds them all."""
        return self.unlabelled.spread or World()

    @property
    def embeddings(self) -> Tensor:
        """Embeddings of the unlabelled pool ``(N, D)``, or this rank's share where they are spread.

        Raises:
            RuntimeError: If the strategy's needs do not ask for them.
        """
        return _made(self.unlabelled.embeddings, "embeddings=True")

    @property
    def mc_logits(self) -> Tensor:
        """Logits of the unlabelled pool under T dropout masks ``(T, N, C)``.

        Raises:
            RuntimeError: If the strategy's needs do not ask for them.
        """
        return _made(self.unlabelled.mc_logits, "mc_samples=...")

    @property
    def known(self) -> PoolOutputs:
        """Outputs on the labelled pool.

        Raises:
            RuntimeError: If the strategy's needs do not ask for them.
        """
        return _made(self.labelled, "labelled=True")

    @property
    def labelled_embeddings(self) -> Tensor:
        """Embeddings of the labelled pool ``(L, D)``, whole on every rank.

        Raises:
            RuntimeError: If the strategy's needs do not ask for them.
        """
        return _made(self.known.embeddings, "embeddings=True, labelled=True")

    def features(self, kind: str) -> tuple[Tensor, Tensor]:
        """Return the features that a strategy measures distances in.

        Args:
            kind: ``"classifier"`` for the embeddings of the network just trained, ``"static"`` for features that
                stay the same over all rounds.

        Returns:
            Features of the unlabelled pool ``(N, D)`` and of the labelled pool ``(L, D)``, on :attr:`device`.

        Raises:
            RuntimeError: If the strategy's needs do not ask for them.
        """
        if kind == "classifier":
            return self.embeddings, self.labelled_embeddings
        rows = _made(self.static, "static=True")
        return rows(self.unlabelled.ids).to(self.device), rows(self.labelled_ids).to(self.device)

    @property
    def true_labels(self) -> Truth:
        """The truth.

        Raises:
            RuntimeError: If the strategy does not declare that it reads it.
        """
        if self.truth is None:
            raise RuntimeError("no truth here: set reads_truth = True in the strategy's class")
        return self.truth

    @property
    def required_task(self) -> Task:
        """The experiment's recipe, for strategies that train networks of their own.

        Raises:
            AutoALError: Outside an experiment, where nothing can be trained.
        """
        if self.task is None:
            raise AutoALError("this strategy trains networks of its own and needs an experiment to run in")
        return self.task

    def part(self, rows: Tensor) -> QueryContext:
        """Return the context with only some rows of the unlabelled pool, ascending positions."""
        return replace(self, unlabelled=self.unlabelled.take(rows))

    def generator(self, *name: str | int) -> torch.Generator:
        """Return a CPU generator for a named purpose within this query."""
        return rng.generator(self.seed, *self.stream, *name)

    def stream_seed(self, *name: str | int) -> int:
        """Return the seed of a named purpose within this query."""
        return rng.stream_seed(self.seed, *self.stream, *name)

    def within(self, *name: str | int) -> QueryContext:
        """Return the context with its random streams moved under a further name."""
        return replace(self, stream=(*self.stream, *name))


def _made(value: T | None, needs: str) -> T:
    if value is None:
        raise RuntimeError(f"the pool pass did not make this: return Needs({needs}) from the strategy's needs")
    return value


class QueryStrategy(ABC):
    """Base of every strategy. A new one is one file, one YAML and one test.

    Subclasses set :attr:`info`, state their :attr:`needs` and implement :meth:`select`; the public entry
    is :meth:`query`, which holds every strategy to the same contract. They are registered by
    :func:`autoal.query.registry.register`, which sets :attr:`name`.

    Attributes:
        order: What the order of picks says to a strategy that grades votes by it: ``"none"``, the batch is a set;
            ``"ranked"``, earlier picks are more wanted; ``"nested"``, a larger batch also begins with the smaller.
        interactive: It buys labels one by one while it makes a batch, by :attr:`QueryContext.answer`; see
            :class:`autoal.query.interactive.InteractiveStrategy`.
        reads_truth: It reads labels that were not bought, and the test set's: a ceiling, no method. It is given
            :attr:`QueryContext.truth`, needs an oracle that holds every label, and is never another's candidate.
        details: Patterns of its logged columns that a dashboard need not draw at first sight; they are in
            ``rounds.csv`` all the same.
    """

    name: ClassVar[str] = ""
    order: ClassVar[Literal["none", "ranked", "nested"]] = "none"
    interactive: ClassVar[bool] = False
    reads_truth: ClassVar[bool] = False
    info: ClassVar[StrategyInfo]
    details: ClassVar[Sequence[str]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """Give a class that is not registered a name of its own: ``MyStrategy`` is ``my_strategy``."""
        super().__init_subclass__(**options)
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def needs(self) -> Needs:
        """What the pool pass must compute."""
        return Needs()

    @property
    def needs_experiment(self) -> bool:
        """Whether it trains networks or takes part in training; such a strategy can't be asked outside of a run.

        By default: whether it has a training hook.
        """
        return type(self).training_hook is not QueryStrategy.training_hook

    def check(self, net: Classifier) -> None:
        """Refuse an experiment that the strategy can't run in, before anything is trained.

        Raises:
            AutoALError: If the strategy needs dropout and the network has none.
        """
        if self.needs.mc_samples and net.dropout == 0.0:
            raise AutoALError(
                f"strategy '{self.name}' needs Monte-Carlo dropout, but backbone.dropout=0; "
                "set backbone.dropout to a value in (0, 1), e.g. backbone.dropout=0.5"
            )

    def training_hook(self, task: Task) -> TrainingHook | None:
        """Return what this strategy adds to the classifier's training, or None; called once, before it.

        Args:
            task: The experiment's recipe, data and seed.
        """
        return None

    def query(self, ctx: QueryContext, n: int) -> Selection:
        """Choose exactly ``n`` unique ids of the unlabelled pool.

        Args:
            ctx: The state of the experiment.
            n: The query batch, ``1 <= n <= len(ctx.unlabelled)``.

        Raises:
            AutoALError: If n does not fit, or the network's outputs are not finite.
        """
        size = len(ctx.unlabelled)
        if not 1 <= n <= size:
            raise AutoALError(f"can't query {n} samples from an unlabelled pool of {size}")
        if not torch.isfinite(ctx.unlabelled.logits).all():
            row = int((~torch.isfinite(ctx.unlabelled.logits)).any(1).nonzero()[0])
            raise AutoALError(f"the classifier's logits of sample {int(ctx.unlabelled.ids[row])} are not finite")
        picks = self.select(ctx, n)
        rows = picks.index.cpu()
        if rows.shape != (n,) or len(rows.unique()) != n:
            raise RuntimeError(f"strategy {self.name} broke its contract: {len(rows.unique())} of {n} unique rows")
        return Selection(ctx.unlabelled.ids[rows], picks.score.detach().double().cpu(), picks.log)

    @abstractmethod
    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Choose ``n`` rows of ``ctx.unlabelled``; sizes and logits have been checked."""

    def prepared(self, ctx: QueryContext) -> QueryStrategy:
        """Return what answers many queries on parts of this pool within one round.

        Override it where something costly follows only from the classifier and the labelled samples.

        Args:
            ctx: The round's context, with the whole pool.

        Returns:
            A strategy of the same picks; by default this one.
        """
        return self

    def write_figures(self, run_dir: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
        """Draw the strategy's own figures after a round; called on rank 0.

        Args:
            run_dir: The run directory.
            rows: The rows of ``rounds.csv`` so far.

        Returns:
            The files written; none by default.
        """
        return []

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a resume (tensors, numbers, strings, lists and dicts of them)."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  a stateless strategy needs none
        """Restore :meth:`state_dict`."""


def check_oracle(strategy: QueryStrategy, oracle: Oracle) -> None:
    """Refuse a strategy that an oracle can't serve, before anything is trained.

    Raises:
        AutoALError: If the strategy reads the truth, and the oracle does not hold it; or it asks inside a batch,
            and the oracle does not answer at once.
    """
    if strategy.interactive and not oracle.answers_at_once:
        raise AutoALError(
            f"strategy '{strategy.name}' asks for labels one by one inside a batch, and this oracle does not "
            "answer at once"
        )
    if strategy.reads_truth and not oracle.holds_truth:
        raise AutoALError(
            f"strategy '{strategy.name}' is a ceiling that reads true labels, and this oracle does not hold them: "
            "it needs a data set whose labels are all there"
        )


class ScoreStrategy(QueryStrategy):
    """A strategy that scores each sample by itself and takes the n best; ties go to the lower id."""

    @abstractmethod
    def score(self, ctx: QueryContext) -> Tensor:
        """Return the score of each unlabelled sample, ``(N,)``, higher = more wanted."""

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Take the n highest scores."""
        score = self.score(ctx)
        rows = top_n(score, n)
        return Picks(rows, score[rows], {})
