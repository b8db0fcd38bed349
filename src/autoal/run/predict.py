"""Predictions of a run's last checkpoint for other samples, with the run's own transform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoal.config.command_line import choices
from autoal.config.instantiate import admit
from autoal.data.base import DatasetInfo, SampleSource, Split, TensorSource
from autoal.data.build import build_dataset
from autoal.data.folder import images_below
from autoal.data.images import Decoder, ImageFiles
from autoal.data.loading import load_splits
from autoal.data.memmap import chunks
from autoal.data.transforms import InputTransform
from autoal.errors import AutoALError
from autoal.humans.items import Items
from autoal.humans.session import pin
from autoal.models.build import ClassifierFactory
from autoal.models.classifier import Classifier
from autoal.rundir.checkpoints import find_checkpoint
from autoal.rundir.names import CHECKPOINT
from autoal.rundir.state import read_config
from autoal.training.inference import evaluating

ARRAYS = (".npy", ".npz")
PARTS = ("train", "val", "test")


@dataclass
class Predictor:
    """A run's last classifier, its data set and its transform.

    Attributes:
        config: The run's config.
        data_dir: Where data files are.
        info: Metadata of the run's data set.
        splits: The parts of the run's data set.
        net: The classifier.
    """

    config: Mapping[str, Any]
    data_dir: Path
    info: DatasetInfo
    splits: Mapping[str, Split]
    net: Classifier

    @classmethod
    def of(cls, run_dir: Path, data_dir: Path | None = None, trust: Sequence[str] = ()) -> Predictor:
        """Load a run.

        Args:
            run_dir: Its run directory.
            data_dir: Where its data files are now; default: where they were.
            trust: Packages, modules or classes, besides this package's, that the run's config may name.

        Raises:
            AutoALError: If there is no run, or no checkpoint of it that can be read.
        """
        config = read_config(run_dir, ("dataset", "backbone", "paths"))
        found = find_checkpoint(run_dir / CHECKPOINT)
        if found is None:
            raise AutoALError(f"{run_dir} holds no checkpoint yet")
        path = found.path
        admit(config, trust)
        root = data_dir or Path(config["paths"]["data_dir"])
        dataset = build_dataset(config["dataset"])
        pin(dataset, Items.read(run_dir))
        splits = load_splits(dataset, root)
        net = ClassifierFactory(config["backbone"], dataset.info).build(seed=0)
        state = torch.load(path, map_location="cpu", weights_only=True).get("state_dict", {})
        weights = {k.removeprefix("net."): v for k, v in state.items() if k.startswith("net.")}
        try:
            net.load_state_dict(weights)
        except RuntimeError as error:
            why = str(error).splitlines()[-1].strip()
            raise AutoALError(f"{path} does not fit the run's config: {why}") from error
        return cls(config, root, dataset.info, splits, net)

    def samples(self, data: str) -> tuple[list[str], SampleSource]:
        """Return names and inputs of what is to be predicted.

        Args:
            data: A folder of images; an ``.npy`` file, or an ``.npz`` file with ``features``; the name of
                a data set, for its test part; or ``train``, ``val`` or ``test`` of the run's own.

        Raises:
            AutoALError: If it is none of these, or its samples have another shape than the run's.
        """
        path = Path(data).expanduser()
        if data in PARTS and not path.exists():
            if data not in self.splits:
                raise AutoALError(f"the run's data set has no part '{data}'; it has: {', '.join(self.splits)}")
            source = self.splits[data].source
        elif path.is_dir():
            return self._images(path)
        elif path.suffix in ARRAYS:
            source = TensorSource(_array(path))
        elif data in choices("dataset"):
            from autoal.run.compose import experiment

            dataset = build_dataset(experiment(dataset=data).config.dataset)
            source = load_splits(dataset, self.data_dir)["test"].source
        else:
            raise AutoALError(
                f"'{data}' is no folder of images, no .npy or .npz file, no data set of 'autoal list datasets' "
                f"and none of {', '.join(PARTS)}"
            )
        self._check_shape(data, source)
        return [str(i) for i in range(len(source))], source

    def _images(self, folder: Path) -> tuple[list[str], SampleSource]:
        shape = self.info.input_shape
        if len(shape) != 3:
            raise AutoALError(f"{folder} is a folder of images, but the run's samples have shape {shape}")
        paths = images_below(folder)
        if not paths:
            raise AutoALError(f"{folder} holds no images")
        fit = str(self.config["dataset"].get("fit") or "crop")
        decoder = Decoder(channels=shape[0], size=(shape[1], shape[2]), fit=fit)
        return [p.relative_to(folder).as_posix() for p in paths], ImageFiles(paths, decoder, shape)

    def _check_shape(self, name: str, source: SampleSource) -> None:
        if not len(source):
            raise AutoALError(f"{name} holds no samples")
        shape = tuple(source.fetch(torch.zeros(1, dtype=torch.int64)).shape[1:])
        if shape != tuple(self.info.input_shape):
            raise AutoALError(
                f"{name} has samples of shape {shape}, the run's have {tuple(self.info.input_shape)}"
            )

    def probabilities(self, source: SampleSource, batch_size: int = 1024) -> Iterator[Tensor]:
        """Yield the probability of each class, ``(B, C)`` float64, batch by batch in order."""
        transform = InputTransform(self.info)
        with evaluating(self.net):
            for rows in chunks(len(source), batch_size):
                logits = self.net(transform.eval(source.fetch(rows))).logits
                yield torch.softmax(logits.double(), dim=1)

    def class_names(self) -> Sequence[str]:
        """Return the names of the classes, or their numbers."""
        return self.info.class_names or [str(i) for i in range(self.info.n_classes)]


def _array(path: Path) -> Tensor:
    try:
        loaded = np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            if "features" not in loaded.files:
                raise AutoALError(
                    f"{path} has no array 'features'; it has: {', '.join(loaded.files) or 'nothing'}"
                )
            loaded = loaded["features"]
    except (OSError, ValueError, EOFError) as error:
        raise AutoALError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    if loaded.ndim < 2 or loaded.dtype.kind not in "fu":
        raise AutoALError(f"{path} holds {loaded.dtype} {loaded.shape}, not floating (N, F)")
    return torch.from_numpy(loaded.astype(loaded.dtype.newbyteorder("=")))
