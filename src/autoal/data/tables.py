"""Tables: OpenML by id, CSV and Parquet files."""

from __future__ import annotations

import shlex
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.data.splits import stratified_split
from autoal.errors import AutoALError

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("error", "mean")
CONSTANT = 1e-8


class TableDataset(Dataset):
    """Rows of numbers and categories, standardised with the training part's statistics.

    Numeric columns stay one feature each; every other column becomes one feature per category that occurs
    in the training part. Standardisation is left to the input transform, so the stored features are the
    table's own numbers.

    Args:
        info: What is known before the table is seen.
        test_share: Share of each class in the test part where the table names no split.
        split_seed: Seed of that split.
        missing: What to do with missing numbers: ``"error"``, or ``"mean"`` of the training part.
    """

    def __init__(
        self, info: DatasetInfo, test_share: float = 0.1, split_seed: int = 0, missing: str = "error"
    ) -> None:
        if missing not in MISSING:
            raise AutoALError(f"dataset.missing={missing} is not one of {', '.join(MISSING)}")
        self.info = info
        self._test_share = test_share
        self._split_seed = split_seed
        self._missing = missing

    @abstractmethod
    def read(self, root: Path) -> tuple[pd.DataFrame, pd.Series, pd.Series | None, str]:
        """Read the table.

        Returns:
            The features, the target column (missing where unknown), the split column (``train``, ``val``,
            ``test``) or None, and where the table comes from, for messages.
        """

    def load(self, root: Path) -> dict[str, Split]:
        """Read, split and encode the table, and complete :attr:`info`."""
        table, target, split, where = self.read(root)
        check_classification(target, where)
        parts = self._parts(target, split, where)
        names, targets = encode_target(target, parts["train"], where)
        features = self._encode(table, parts["train"], where)
        train = features[parts["train"]]
        std = train.std(dim=0, unbiased=False)
        std = torch.where(std < CONSTANT, torch.ones_like(std), std)
        self.info = replace(
            self.info,
            input_shape=(features.shape[1],),
            n_classes=len(names),
            class_names=names,
            mean=tuple(train.mean(dim=0).tolist()),
            std=tuple(std.tolist()),
        )
        return {
            name: Split(TensorSource(features[rows].to(torch.float32)), targets[rows])
            for name, rows in parts.items()
            if len(rows) or name != "val"
        }

    def _parts(self, target: pd.Series, split: pd.Series | None, where: str) -> dict[str, Tensor]:
        if split is not None:
            named = split.fillna("train").astype(str).str.strip().str.lower().to_numpy()
            odd = ~np.isin(named, ("train", "val", "test"))
            if odd.any():
                row = int(odd.argmax())
                raise AutoALError(f"{where} row {row + 2}: split '{named[row]}' is not one of train, val, test")
            parts = {n: torch.from_numpy((named == n).nonzero()[0]) for n in ("train", "val", "test")}
            if len(parts["test"]):
                return parts
        codes = torch.from_numpy(target.astype("category").cat.codes.to_numpy().astype(np.int64))
        train, test = stratified_split(codes, self._test_share, self._split_seed)
        return {"train": train, "test": test}

    def _encode(self, table: pd.DataFrame, train: Tensor, where: str) -> Tensor:
        import pandas as pd

        columns: list[Tensor] = []
        for name in table.columns:
            column = table[name]
            if pd.api.types.is_bool_dtype(column):
                column = column.astype(np.float64)
            if pd.api.types.is_numeric_dtype(column):
                columns.append(
                    self._numbers(column.to_numpy(dtype=np.float64, copy=True), train, f"{where}, column '{name}'")
                )
                continue
            text = column.astype("string").fillna("").to_numpy()
            for category in sorted(set(text[train.numpy()])):
                columns.append(torch.from_numpy((text == category).astype(np.float64)))
        if not columns:
            raise AutoALError(f"{where} has no feature columns besides the target")
        return torch.stack(columns, dim=1)

    def _numbers(
        self, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], train: Tensor, where: str
    ) -> Tensor:
        known = np.isfinite(values)
        if not known.all():
            row = int((~known).argmax())
            if self._missing == "error" or np.isinf(values).any():
                raise AutoALError(
                    f"{where}, row {row + 2}: {values[row]} is not a finite number; "
                    "dataset.missing=mean fills gaps with the training mean"
                )
            inside = values[train.numpy()]
            values = np.where(known, values, np.nanmean(inside) if np.isfinite(inside).any() else 0.0)
        return torch.from_numpy(values)


def check_classification(target: pd.Series, where: str) -> None:
    """Check that a target column holds classes and not measurements.

    Raises:
        AutoALError: If it holds more different numbers than a tenth of the rows (and than 100).
    """
    import pandas as pd

    n_different = int(target.nunique())
    if pd.api.types.is_numeric_dtype(target) and n_different > max(100, len(target) // 10):
        raise AutoALError(f"{where}: the target has {n_different} different numbers; it looks like a regression")


def encode_target(target: pd.Series, train: Tensor, where: str) -> tuple[tuple[str, ...], Tensor]:
    """Number the classes of the training part in sorted order.

    Args:
        target: The target column; missing where unknown.
        train: Rows of the training part.
        where: Where the table comes from, for messages.

    Returns:
        Class names, and int64 targets ``(N,)`` with -1 where unknown.

    Raises:
        AutoALError: If there is only one class, or a class outside training never occurs in training.
    """
    values = target.astype(object).where(target.notna(), None).tolist()
    labels = {values[row] for row in train.tolist() if values[row] is not None}
    numeric = all(isinstance(v, int | float) for v in labels)
    ordered = sorted(labels) if numeric else sorted(labels, key=str)
    if len(ordered) < 2:
        raise AutoALError(f"{where} has {len(ordered)} classes in its training part, at least 2 are needed")
    number = {value: i for i, value in enumerate(ordered)} | {None: -1}
    for row, value in enumerate(values):
        if value not in number:
            raise AutoALError(f"{where} row {row + 2}: class '{value}' never occurs in training")
    return tuple(str(v) for v in ordered), torch.tensor([number[v] for v in values], dtype=torch.int64)


class TableFile(TableDataset):
    """A CSV or Parquet file with one row per sample.

    Args:
        path: The file, absolute or below the data directory; Parquet needs pyarrow.
        target: Name of the class column; its empty cells are samples that can't be bought.
        split: Name of a column with train, val or test; None or absent: a seeded split.
        drop: Columns that are no features (ids, names).
        test_share: See :class:`TableDataset`, also for the other arguments.
        split_seed: Seed of the split.
        missing: ``"error"`` or ``"mean"``.
    """

    def __init__(
        self,
        path: str,
        target: str = "target",
        split: str | None = "split",
        drop: Sequence[str] = (),
        test_share: float = 0.2,
        split_seed: int = 0,
        missing: str = "error",
    ) -> None:
        super().__init__(DatasetInfo(Path(path).stem, (), 0), test_share, split_seed, missing)
        self._path = path
        self._target = target
        self._split = split
        self._drop = tuple(drop)

    def read(self, root: Path) -> tuple[pd.DataFrame, pd.Series, pd.Series | None, str]:
        """Read the file."""
        import pandas as pd

        path = root / Path(self._path).expanduser()
        if not path.is_file():
            raise AutoALError(f"dataset {self.info.name}: no table {path.absolute()}; set dataset.path")
        try:
            table = pd.read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else pd.read_csv(path)
        except ImportError as error:
            raise AutoALError(f"{path}: reading Parquet needs pyarrow: pip install 'autoal[tables]'") from error
        except Exception as error:
            # pandas and pyarrow each have their own errors for damaged files.
            raise AutoALError(f"{path} is not a readable table: {str(error).splitlines()[0]}") from error
        for name in (self._target, *self._drop):
            if name not in table.columns:
                raise AutoALError(f"{path} has no column '{name}'; it has: {', '.join(map(str, table.columns))}")
        split = table[self._split] if self._split is not None and self._split in table.columns else None
        away = [self._target, *self._drop, *([] if split is None else [str(self._split)])]
        return table.drop(columns=away), table[self._target], split, str(path)


class OpenML(TableDataset):
    """A dataset of openml.org by its id, through scikit-learn, with a seeded 90/10 split.

    Args:
        data_id: OpenML's number of the dataset, e.g. 6 (letter) or 155 (pokerhand).
        target: Name of the class column; None: the dataset's default target.
        test_share: See :class:`TableDataset`, also for the other arguments.
        split_seed: Seed of the split.
        missing: ``"error"`` or ``"mean"``.
        n_train: Keep at most so many training rows, drawn with ``split_seed``; None: all.
    """

    def __init__(
        self,
        data_id: int,
        target: str | None = None,
        test_share: float = 0.1,
        split_seed: int = 0,
        missing: str = "error",
        n_train: int | None = None,
    ) -> None:
        info = DatasetInfo(
            f"openml_{data_id}",
            (),
            0,
            source=f"https://www.openml.org/d/{data_id}",
            licence="see the dataset's page",
            citation="Vanschoren et al.: OpenML: networked science in machine learning. 2014, arXiv:1407.7722.",
        )
        super().__init__(info, test_share, split_seed, missing)
        self._data_id = data_id
        self._target = target
        self._n_train = n_train

    def read(self, root: Path) -> tuple[pd.DataFrame, pd.Series, pd.Series | None, str]:
        """Read the table from scikit-learn's cache below ``<root>/openml``, which it fills where it can."""
        from sklearn.datasets import fetch_openml

        cache = root / "openml"
        try:
            with warnings.catch_warnings():
                # scikit-learn announces its retry; the error below says what the user needs to know.
                warnings.simplefilter("ignore")
                bunch = fetch_openml(
                    data_id=self._data_id,
                    target_column=self._target or "default-target",
                    data_home=str(cache),
                    as_frame=True,
                    parser="auto",
                    n_retries=1,
                    delay=0.1,
                )
        except OSError as error:
            raise AutoALError(
                f"dataset {self.info.name}: not in {cache} and openml.org can't be reached ({error}); "
                f"fetch it where there is network: autoal data openml data_id={self._data_id} "
                f"--root {shlex.quote(str(root))}"
            ) from error
        except Exception as error:
            raise AutoALError(
                f"OpenML dataset {self._data_id} in {cache} can't be read: {type(error).__name__}: {error}"
            ) from error
        if bunch.target is None:
            raise AutoALError(f"OpenML dataset {self._data_id} has no default target; set dataset.target")
        return bunch.data, bunch.target, None, f"OpenML dataset {self._data_id}"

    def load(self, root: Path) -> dict[str, Split]:
        """Read, split, encode; keep ``n_train`` training rows."""
        splits = super().load(root)
        train = splits["train"]
        if self._n_train is not None and len(train) > self._n_train:
            share = self._n_train / len(train)
            _, kept = stratified_split(train.targets, share, self._split_seed)
            splits["train"] = Split(train.source.select(kept), train.targets[kept])
        return splits
