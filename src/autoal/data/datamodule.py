"""The LightningDataModule of an experiment: data, pool, oracle and every view of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from autoal.data.augmentation import Augmentation
from autoal.data.base import Dataset, Split
from autoal.data.batch import Batch
from autoal.data.loader import EvalLoader, TrainLoader
from autoal.data.loading import load_splits
from autoal.data.oracle import Oracle
from autoal.data.pool import Pool
from autoal.data.spread import SpreadSource
from autoal.data.static import StaticFeatures, load_static
from autoal.data.transforms import InputTransform
from autoal.distributed import World
from autoal.rng import generator, stream_seed


class ActiveLearningDataModule(pl.LightningDataModule):
    """Holds the labelled and unlabelled pools and makes every loader.

    Training batches are augmented; the pool pass and every evaluation are not. The state that a checkpoint
    needs is only the pool's: order, augmentation and dropout follow from (seed, round, epoch, sample id).

    Args:
        dataset: What to load.
        data_dir: Root of the data files.
        seed: The experiment's seed.
        batch_size: Global training batch size; None: every labelled sample at once.
        eval_batch_size: Batch size per rank of pool passes and evaluations.
        augmentations: Applied to training images.
        max_device_bytes: Splits move to the training device whole as long as they fit into this together; the
            training split comes first.
        max_share_bytes: On several ranks, splits that don't fit are dealt out to their devices as long as a rank's
            shares fit into this together.
        prefetch: Batches fetched ahead for sources that stay off the device.
        features: Folder of static features; None: the inputs themselves where they are vectors.
        spread_from: Bytes of a pool's features from which each rank keeps only a share.
        oracle: Makes the oracle from the training split's targets.
        splits: The parts, where they have been loaded already; the module changes them, but no tensor in them.
        steps_per_epoch: Batches of an epoch, for which the labelled samples are cycled; None: one pass.

    Attributes:
        start_batch: Batches of this epoch that were trained on before a resume.
        extra_samples: Gives ids and classes that train along without having been bought, or None; set by
            the loop from the strategy's training hook.
        static: Features that do not come from the classifier; None where there are none.
    """

    def __init__(
        self,
        dataset: Dataset,
        data_dir: Path,
        seed: int = 0,
        batch_size: int | None = 64,
        eval_batch_size: int = 1024,
        augmentations: Sequence[Augmentation] = (),
        max_device_bytes: int = 4 << 30,
        prefetch: int = 2,
        features: str | None = None,
        spread_from: int = 128 << 20,
        max_share_bytes: int = 0,
        oracle: Callable[[Tensor], Oracle] = Oracle,
        splits: dict[str, Split] | None = None,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.data_dir = data_dir
        self.seed = seed
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.augmentations = tuple(augmentations)
        self.transform = InputTransform(dataset.info, augmentations)
        self.max_device_bytes = max_device_bytes
        self.prefetch = prefetch
        self.spread_from = spread_from
        self.max_share_bytes = max_share_bytes
        self._features = features
        self._make_oracle = oracle
        self._loaded = splits
        self.steps_per_epoch = steps_per_epoch
        self.static: StaticFeatures | None = None
        self.world = World()
        self.round = 0
        self.epoch = 0
        self.start_batch = 0
        self._device = torch.device("cpu")
        self._splits: dict[str, Split] = {}
        self.extra_samples: Callable[[], tuple[Tensor, Tensor] | None] = lambda: None

    def setup(self, stage: str | None = None) -> None:
        """Load the data once and make the pool."""
        if self._splits:
            return
        splits = load_splits(self.dataset, self.data_dir) if self._loaded is None else self._loaded
        # Loading completes the metadata where they follow from the files.
        self.transform = InputTransform(self.dataset.info, self.augmentations)
        self._splits = splits
        self.static = load_static(self._features, splits["train"], self.data_dir, self.dataset.info.name)
        train = splits["train"]
        self.oracle = self._make_oracle(train.targets)
        known = self.oracle.known()
        known[list(train.missing)] = False
        self.pool = Pool(len(train), excluded=(~known).nonzero().squeeze(1))

    def static_digest(self) -> str:
        """Return ``"+<fingerprint>"`` of a folder of static features, or nothing where none was given."""
        return f"+{self.static.digest()}" if self._features is not None and self.static is not None else ""

    def place(self, device: torch.device, world: World) -> None:
        """Move what fits to the training device, and learn this rank's place."""
        self.world = world
        self._device = device
        left, left_of_shares = self.max_device_bytes, self.max_share_bytes
        for split in self._splits.values():
            share = -(-split.source.nbytes // world.size)
            if split.source.nbytes <= left:
                left -= split.source.nbytes
                split.source = split.source.to(device)
            elif world.size > 1 and share <= left_of_shares:
                left_of_shares -= share
                split.source = SpreadSource(split.source, world, device)

    @property
    def splits(self) -> Mapping[str, Split]:
        """Every part by name, after :meth:`setup`; see :meth:`split`."""
        return self._splits

    def split(self, name: str) -> Split:
        """Return a split by name: ``"train"``, ``"test"``, ``"val"``.

        Its targets are for evaluation; labels of the training split come only from the pool.
        """
        return self._splits[name]

    def test_part(self) -> tuple[str, Tensor | None, Tensor | None]:
        """Return what accuracy is measured on: a split, and rows and classes where it is bought labels."""
        ids = self.pool.test
        return ("train", ids, self.pool.labels(ids)) if len(ids) else ("test", None, None)

    def train_dataloader(self) -> TrainLoader:
        """Return this epoch's batches of the labelled pool, and of what a training hook adds to it.

        A hook's samples come with classes that nobody bought (pseudo-labels); where the label has been
        bought, the bought one counts.
        """
        ids = self.pool.labelled
        targets = self.pool.labels(ids)
        extra = self.extra_samples()
        if extra is not None:
            unbought = torch.isin(extra[0], self.pool.unlabelled)
            ids = torch.cat([ids, extra[0][unbought]])
            targets = torch.cat([targets, extra[1][unbought]])
        return self.train_loader(ids, targets, ("task", self.round), self.epoch, start=self.start_batch)

    def train_loader(
        self,
        ids: Tensor,
        targets: Tensor,
        stream: Sequence[str | int],
        epoch: int,
        batch_size: int | None = None,
        start: int = 0,
        world: World | None = None,
    ) -> TrainLoader:
        """Return one epoch of training batches over any bought samples.

        Args:
            ids: Sample ids ``(n,)``.
            targets: Labels ``(n,)``.
            stream: Names the random streams, e.g. ``("fitnet", round)``.
            epoch: Epoch within the stream.
            batch_size: Global batch size; default: the experiment's.
            start: Batches of this epoch that are done already.
            world: Over whom a batch is shared; default all ranks. ``World()`` gives every sample.
        """
        return TrainLoader(
            self._splits["train"].source,
            ids,
            targets,
            batch_size or self.batch_size or max(1, len(ids)),
            order=generator(self.seed, "order", *stream, epoch),
            epoch_key=stream_seed(self.seed, "epoch", *stream, epoch),
            world=self.world if world is None else world,
            prefetch=self._prefetch_for("train"),
            start=start,
            steps=self.steps_per_epoch,
        )

    def eval_loader(self, split: str, ids: Tensor | None = None, world: World | None = None) -> EvalLoader:
        """Return raw inputs of a split in id order, this rank's share.

        Args:
            split: Name of the split.
            ids: Which rows; default all.
            world: Whose share; default this rank's. ``World()`` gives every row.
        """
        rows = torch.arange(len(self._splits[split])) if ids is None else ids
        return EvalLoader(
            self._splits[split].source,
            rows,
            self.eval_batch_size,
            world=self.world if world is None else world,
            prefetch=self._prefetch_for(split),
        )

    def _prefetch_for(self, split: str) -> int:
        source = self._splits[split].source
        if isinstance(source, SpreadSource):
            return 0
        inputs = getattr(source, "inputs", None)
        return 0 if inputs is not None and inputs.device == self._device else self.prefetch

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment and normalise a training batch on the device."""
        module = self.trainer.lightning_module if self.trainer else None
        dtype = torch.float32 if module is None else module.dtype
        assert isinstance(dtype, torch.dtype)
        return self.to_network(batch, dtype)

    def to_network(self, batch: Batch, dtype: torch.dtype = torch.float32) -> Batch:
        """Return the batch with augmented, normalised inputs."""
        inputs = self.transform.train(batch.inputs, batch.epoch_key, batch.keys.to(batch.inputs.device), dtype)
        return batch._replace(inputs=inputs)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs: the pool and the place in the experiment."""
        return {"pool": self.pool.state_dict(), "round": self.round, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.setup()
        self.pool.load_state_dict(state["pool"])
        self.round = int(state["round"])
        self.epoch = int(state["epoch"])
