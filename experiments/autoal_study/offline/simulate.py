"""An active-learning loop without Lightning: the project's head, strategies and kernels on one world."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from autoal import rng
from autoal.data.base import DatasetInfo
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier
from autoal.query.contract import QueryContext, QueryStrategy
from autoal.training.inference import PoolOutputs
from autoal.training.lbfgs import LBFGS
from experiments.autoal_study.offline.worlds import World

L2 = 0.01
BACKBONE = {"_target_": "autoal.models.mlp.Linear", "name": "linear", "dropout": 0.2}


def new_net(world: World) -> Classifier:
    """Return the linear classifier of a world."""
    info = DatasetInfo(world.origin, (world.x.shape[1],), world.classes)
    return ClassifierFactory(BACKBONE, info).build(0)


def fit(net: Classifier, x: Tensor, y: Tensor) -> None:
    """Train the head to the optimum, from where it is."""
    optimiser = LBFGS(net.head.parameters(), l2=L2)

    def closure() -> Tensor:
        optimiser.zero_grad()
        with torch.enable_grad():
            loss = torch.nn.functional.cross_entropy(net.head(x), y)
            loss.backward()
        return loss

    optimiser.step(closure)


@torch.no_grad()
def accuracy(net: Classifier, world: World) -> float:
    """Test accuracy in percent points."""
    return 100 * float((net.head(world.x_test).argmax(1) == world.y_test).double().mean())


@dataclass
class State:
    """A labelled pool and the classifier that was trained on it.

    Attributes:
        world: The task.
        net: Trained on the labelled pool.
        labelled: Rows of the pool, ascending.
        seed: Of the run.
        round: Queries before this one.
    """

    world: World
    net: Classifier
    labelled: Tensor
    seed: int
    round: int = 0

    @classmethod
    def start(cls, world: World, n: int, seed: int) -> State:
        """Label n samples at random."""
        order = torch.randperm(len(world.y), generator=rng.generator(seed, "initial"))
        state = cls(world, new_net(world), order[:n].sort().values, seed)
        fit(state.net, world.x[state.labelled], world.y[state.labelled])
        return state

    @property
    def free(self) -> Tensor:
        """Unlabelled rows, ascending."""
        mask = torch.ones(len(self.world.y), dtype=torch.bool)
        mask[self.labelled] = False
        return mask.nonzero().squeeze(1)

    def outputs(self, rows: Tensor, strategy: QueryStrategy) -> PoolOutputs:
        """What the pool pass would give a strategy."""
        x, mc = self.world.x[rows], strategy.needs.mc_samples
        with torch.no_grad():
            logits = self.net.head(x)
        key = rng.stream_seed(self.seed, "mc", self.round)
        return PoolOutputs(rows, logits, x, self.net.mc_logits(x, mc, key) if mc else None)

    def ask(self, strategy: QueryStrategy, n: int) -> Tensor:
        """Return the rows that a strategy would buy."""
        ctx = QueryContext(
            unlabelled=self.outputs(self.free, strategy),
            labelled=self.outputs(self.labelled, strategy),
            labelled_ids=self.labelled,
            labelled_targets=self.world.y[self.labelled],
            n_classes=self.world.classes,
            net=self.net,
            inputs=lambda ids: self.world.x[ids],
            static=lambda ids: self.world.x[ids],
            seed=self.seed,
            stream=("strategy", self.round),
            round=self.round,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return strategy.query(ctx, n).ids

    def bought(self, rows: Tensor) -> State:
        """Return the state after these samples were labelled and the head was trained anew, warm."""
        labelled = torch.cat([self.labelled, rows]).sort().values
        net = new_net(self.world)
        net.load_state_dict(self.net.state_dict())
        state = State(self.world, net, labelled, self.seed, self.round + 1)
        fit(net, self.world.x[labelled], self.world.y[labelled])
        return state
