"""Buying labels: the ledger first, then the pool, and never twice."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.loop.settings import LoopConfig
from autoal.rng import generator
from autoal.rundir.ledger import Ledger, Purchase


class Purchases:
    """Moves samples from the unlabelled pool to the labelled one, by way of oracle and ledger.

    Every rank buys the same samples; rank 0 alone writes the ledger.

    Args:
        data: Pool, oracle and this rank's place.
        ledger: Where each label is written before the pool moves.
        loop: Sizes of the initial set.
    """

    def __init__(self, data: ActiveLearningDataModule, ledger: Ledger, loop: LoopConfig) -> None:
        self._data = data
        self._ledger = ledger
        self._loop = loop
        self._ahead: dict[int, list[Purchase]] = {}

    def reconcile(self) -> int:
        """Compare the ledger with the checkpoint's pool; returns how many labels the pool holds.

        Labels that the ledger has ahead of the pool were bought before a kill; they are kept for their round.

        Raises:
            AutoALError: If the ledger lacks labels that the pool has, or disagrees with it.
        """
        pool, path, world = self._data.pool, self._ledger.path, self._data.world
        purchases = world.broadcast(self._ledger.read() if world.is_main else [])
        known = len(pool.labelled) + len(pool.validation)
        if len(purchases) < known:
            raise AutoALError(f"{path} holds {len(purchases)} labels, but the checkpoint's pool {known}")
        self._ahead = {}
        for number, purchase in enumerate(purchases, 1):
            if number > known:
                self._ahead.setdefault(purchase.round, []).append(purchase)
            elif int(pool.labels(torch.tensor([purchase.id]))[0]) != purchase.label:
                raise AutoALError(
                    f"{path} line {number}: the checkpoint has another label of sample {purchase.id}"
                )
        return known

    def buy_initial(self) -> None:
        """Buy the validation labels, if there are to be any, and the initial set."""
        pool, loop, seed = self._data.pool, self._loop, self._data.seed
        if loop.n_val:
            order = torch.randperm(len(pool.unlabelled), generator=generator(seed, "validation"))
            self.buy(0, pool.unlabelled[order[: loop.n_val]], None, "val", "random")
        candidates = pool.unlabelled
        rng = generator(seed, "initial_set")
        if loop.init == "class_balanced":
            ids = self._data.oracle.draw_class_balanced(candidates, loop.n_init, rng)
        else:
            ids = candidates[torch.randperm(len(candidates), generator=rng)[: loop.n_init]]
        self.buy(0, ids, None, "init", loop.init)

    def buy(self, round_: int, ids: Tensor, scores: Tensor | None, source: str, strategy: str) -> None:
        """Buy labels: ledger, then pool.

        Labels that the ledger already holds for this purchase (the process was killed between buying and
        saving) are taken as they stand and never bought twice.
        """
        pool = self._data.pool
        done = [p for p in self._ahead.get(round_, []) if p.source == source]
        bought = torch.tensor([p.id for p in done], dtype=torch.int64)
        fresh = ids[~torch.isin(ids, bought)][: len(ids) - len(done)]
        fresh = pool.check_buyable(fresh)
        labels = self._data.oracle.buy(fresh)
        if self._data.world.is_main and len(fresh):
            score = {} if scores is None else dict(zip(ids.tolist(), scores.tolist(), strict=True))
            wanted = [score.get(i) for i in fresh.tolist()]
            self._ledger.append(round_, fresh.tolist(), labels.tolist(), strategy, wanted, source)
        pool.add(bought, torch.tensor([p.label for p in done], dtype=torch.int64), validation=source == "val")
        pool.add(fresh, labels, validation=source == "val")
