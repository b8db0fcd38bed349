"""Bought validation labels: accuracy after each epoch, the best weights of a round, and patience."""

from __future__ import annotations

from typing import Any

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.loop.settings import LoopConfig
from autoal.models.classifier import Classifier
from autoal.training.evaluation import Evaluation, evaluate
from autoal.training.lit import LitClassifier


class Validation:
    """Watches the validation accuracy of a round, where ``loop.n_val`` bought labels for it.

    Args:
        data: Pool and this rank's place.
        loop: Patience, and whether the best weights are kept.
        watched: Whether callbacks want the numbers of every epoch.

    Attributes:
        last: What the last epoch's evaluation said; None without one.
    """

    def __init__(self, data: ActiveLearningDataModule, loop: LoopConfig, watched: bool = False) -> None:
        self._data = data
        self._loop = loop
        self._watched = watched and loop.n_val > 0
        self.last: Evaluation | None = None
        self.reset()

    def reset(self) -> None:
        """Begin a round."""
        self._best: dict[str, Any] = {"acc": -1.0, "epoch": 0, "weights": None}

    def evaluate(self, net: Classifier) -> Evaluation | None:
        """Evaluate on the validation labels; None if there are none."""
        ids = self._data.pool.validation
        return evaluate(net, self._data, "train", ids, self._data.pool.labels(ids)) if len(ids) else None

    def epoch_done(self, module: LitClassifier) -> bool:
        """Evaluate if a rule needs it, remember the best weights, say whether patience ran out."""
        if self._loop.patience is None and not self._loop.keep_best and not self._watched:
            return False
        self._data.world.sync_buffers(module)
        net = module.round_net
        found = self.evaluate(net)
        assert found is not None, "LoopConfig asks for validation labels with these rules"
        self.last = found
        if found.accuracy > self._best["acc"]:
            weights = None
            if self._loop.keep_best:
                weights = {k: v.detach().clone() for k, v in net.state_dict().items()}
            self._best = {"acc": found.accuracy, "epoch": self._data.epoch, "weights": weights}
        waited = self._data.epoch - int(self._best["epoch"])
        return self._loop.patience is not None and waited >= self._loop.patience

    def restore(self, net: Classifier) -> None:
        """Go back to the best weights, if they were kept."""
        if self._best["weights"] is not None:
            net.load_state_dict(self._best["weights"])

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far."""
        return dict(self._best)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._best = dict(state)
