"""Tables and frozen features: encoding, splits, and every way they can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autoal.data.base import Dataset
from autoal.data.features import Features
from autoal.data.memmap import ArraySource
from autoal.data.tables import OpenML, TableFile
from autoal.data.transforms import InputTransform
from autoal.errors import AutoALError
from tests.data.formats import write_features, write_openml


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "size": np.arange(20.0),
            "flag": [i % 3 == 0 for i in range(20)],
            "kind": ["red", "green", "blue", "green"] * 5,
            "name": [f"n{i}" for i in range(20)],
            "target": [("yes", "no")[i % 2] for i in range(20)],
            "split": ["train"] * 14 + ["test"] * 6,
        }
    )


def load(folder: Path, table: pd.DataFrame, **options: Any) -> tuple[Dataset, dict[str, Any]]:
    table.to_csv(folder / "t.csv", index=False)
    dataset = TableFile("t.csv", drop=["name"], **options)
    return dataset, dataset.load(folder)


def test_numbers_flags_and_categories_become_features(tmp_path: Path) -> None:
    dataset, splits = load(tmp_path, frame())
    # size, flag, and one column each for blue, green, red.
    assert dataset.info.input_shape == (5,)
    assert dataset.info.class_names == ("no", "yes")
    rows = splits["train"].source.fetch(torch.tensor([0, 3]))
    assert rows.tolist() == [[0, 1, 0, 0, 1], [3, 1, 0, 1, 0]]
    assert splits["train"].targets[:4].tolist() == [1, 0, 1, 0]
    assert len(splits["test"]) == 6


def test_parquet_equals_csv(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    _, from_csv = load(tmp_path, frame())
    frame().to_parquet(tmp_path / "t.parquet")
    from_parquet = TableFile("t.parquet", drop=["name"]).load(tmp_path)
    for part in ("train", "test"):
        assert torch.equal(from_parquet[part].source.inputs, from_csv[part].source.inputs)
        assert torch.equal(from_parquet[part].targets, from_csv[part].targets)


def test_standardisation_uses_the_training_part(tmp_path: Path) -> None:
    dataset, splits = load(tmp_path, frame())
    transform = InputTransform(dataset.info)
    x = transform.eval(splits["train"].source.inputs)
    assert torch.allclose(x.mean(0), torch.zeros(5), atol=1e-6)
    assert torch.allclose(x.std(0, unbiased=False), torch.ones(5), atol=1e-5)
    test = transform.eval(splits["test"].source.inputs)
    assert float(test[:, 0].mean()) > 1.5


def test_a_constant_column_is_no_division_by_zero(tmp_path: Path) -> None:
    table = frame().assign(same=3.0)
    dataset, splits = load(tmp_path, table)
    assert torch.isfinite(InputTransform(dataset.info).eval(splits["test"].source.inputs)).all()


def test_without_split_column_the_split_is_seeded_and_stratified(tmp_path: Path) -> None:
    table = frame().drop(columns="split")
    _, first = load(tmp_path, table, test_share=0.2)
    assert first["test"].targets.bincount().tolist() == [2, 2]
    _, other = load(tmp_path, table, test_share=0.2, split_seed=5)
    assert not torch.equal(first["test"].source.inputs, other["test"].source.inputs)


def test_rows_without_target_can_not_be_bought(tmp_path: Path) -> None:
    table = frame()
    table.loc[[2, 5], "target"] = None
    _, splits = load(tmp_path, table)
    assert (splits["train"].targets == -1).nonzero().squeeze(1).tolist() == [2, 5]


def test_gaps_are_refused_or_filled_with_the_training_mean(tmp_path: Path) -> None:
    table = frame()
    table.loc[15, "size"] = None
    with pytest.raises(AutoALError, match=r"t.csv, column 'size', row 17: nan is not a finite number"):
        load(tmp_path, table)
    _, splits = load(tmp_path, table, missing="mean")
    assert float(splits["test"].source.inputs[1, 0]) == pytest.approx(6.5)
    table.loc[15, "size"] = np.inf
    with pytest.raises(AutoALError, match="inf is not a finite number"):
        load(tmp_path, table, missing="mean")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": ["a"] * 20}, "has 1 classes in its training part"),
        ({"target": ["a", "b"] * 9 + ["c", "a"]}, "row 20: class 'c' never occurs in training"),
        ({"split": ["train"] * 19 + ["dev"]}, "row 21: split 'dev' is not one of"),
        ({"target": np.linspace(0, 1, 20)}, "never occurs in training"),
    ],
)
def test_a_wrong_table_names_file_and_row(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match=message) as caught:
        load(tmp_path, frame().assign(**change))
    assert "t.csv" in str(caught.value)


def test_a_regression_target_is_noticed(tmp_path: Path) -> None:
    pd.DataFrame({"x": range(300), "target": np.linspace(0, 1, 300), "split": "train"}).to_csv(
        tmp_path / "t.csv", index=False
    )
    with pytest.raises(AutoALError, match="looks like a regression"):
        TableFile("t.csv").load(tmp_path)


def test_missing_columns_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match="has no column 'klass'; it has: size, flag"):
        load(tmp_path, frame(), target="klass")
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(AutoALError, match=r"t.csv is not a readable table"):
        TableFile("t.csv").load(tmp_path)


def test_openml_reads_the_cached_arff_and_keeps_a_cap(tmp_path: Path) -> None:
    write_openml(40)(tmp_path)
    dataset = OpenML(40)
    splits = dataset.load(tmp_path)
    assert dataset.info.class_names == ("c0", "c1", "c2")
    # Two numbers and the categories a and b.
    assert dataset.info.input_shape == (4,)
    assert splits["test"].targets.bincount().tolist() == [3, 3, 3]
    assert splits["train"].targets.bincount().tolist() == [27, 27, 27]
    capped = OpenML(40, n_train=30).load(tmp_path)
    assert capped["train"].targets.bincount().tolist() == [10, 10, 10]


def test_openml_with_a_damaged_cache_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("sklearn.datasets._openml.urlopen", unreachable)
    write_openml(40)(tmp_path)
    for path in (tmp_path / "openml/openml/openml.org/data/v1/download").rglob("*.gz"):
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(AutoALError) as caught:
        OpenML(40).load(tmp_path)
    assert str(tmp_path / "openml") in str(caught.value)
    assert "\n" not in str(caught.value)


def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "train_features": rng.normal(3, 2, size=(12, 4)).astype(np.float32),
        "train_labels": np.arange(12) % 3,
        "test_features": rng.normal(size=(6, 4)).astype(np.float32),
        "test_labels": np.arange(6) % 3,
    }


def features(folder: Path, content: dict[str, Any], **options: Any) -> tuple[Dataset, dict[str, Any]]:
    np.savez(folder / "f.npz", **content)
    dataset = Features("f.npz", **options)
    return dataset, dataset.load(folder)


def test_features_are_standardised_with_training_statistics(tmp_path: Path) -> None:
    dataset, splits = features(tmp_path, arrays())
    x = InputTransform(dataset.info).eval(splits["train"].source.fetch(torch.arange(12)))
    assert torch.allclose(x.mean(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(x.std(0, unbiased=False), torch.ones(4), atol=1e-4)
    assert features(tmp_path, arrays(), standardise=False)[0].info.mean == ()


def test_npy_files_are_memory_mapped_and_equal_the_npz(tmp_path: Path) -> None:
    _, from_npz = features(tmp_path, arrays())
    (tmp_path / "folder").mkdir()
    for name, array in arrays().items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    splits = Features("folder").load(tmp_path)
    source = splits["train"].source
    assert isinstance(source, ArraySource)
    assert isinstance(source.array, np.memmap)
    rows = torch.tensor([7, 2])
    assert torch.equal(source.fetch(rows), from_npz["train"].source.fetch(rows))


def test_one_array_is_split_and_unknown_labels_stay_in_training(tmp_path: Path) -> None:
    y = np.arange(30) % 3
    y[:4] = -1
    content = {"features": np.random.default_rng(0).normal(size=(30, 2)), "labels": y}
    _, splits = features(tmp_path, content, test_share=0.3)
    assert int((splits["train"].targets == -1).sum()) == 4
    assert int((splits["test"].targets == -1).sum()) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labels": np.arange(11) % 3}, r"train_labels are .*\(11,\)"),
        ({"train_labels": np.arange(12.0)}, "not integers"),
        ({"test_labels": np.array([0, 1, 2, 0, 3, 0])}, r"test label 3 in row 4 is outside 0..2"),
        ({"test_labels": np.array([0, 1, 2, 0, -1, 0])}, r"test label -1 in row 4"),
        ({"train_features": np.ones((12, 4), np.int64)}, "not floating"),
        ({"train_features": np.ones((12, 4, 2), np.float32)}, r"not floating \(N, F\)"),
        ({"train_features": np.array([[1.0, np.nan, 0.0, 0.0]] * 12)}, r"\(train\) row 0: feature 1 is nan"),
    ],
)
def test_wrong_features_name_file_and_row(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(AutoALError, match=message) as caught:
        features(tmp_path, arrays() | change)
    assert "f.npz" in str(caught.value)


def test_damaged_hostile_and_incomplete_archives(tmp_path: Path) -> None:
    write_features(tmp_path)
    path = tmp_path / "features.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(AutoALError, match=r"features.npz is truncated or no .npz"):
        Features("features.npz").load(tmp_path)
    np.savez(path, train_features=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(AutoALError, match=r"no .npz file of plain arrays"):
        Features("features.npz").load(tmp_path)
    np.savez(path, x=np.ones(3))
    with pytest.raises(AutoALError, match="neither train_features nor features; it has: x"):
        Features("features.npz").load(tmp_path)


def test_augmentation_of_a_table_is_refused(dataset_of: Callable[..., Dataset], tmp_path: Path) -> None:
    from autoal.data.augment import RandomCrop
    from autoal.data.datamodule import ActiveLearningDataModule

    frame().to_csv(tmp_path / "t.csv", index=False)
    dataset = dataset_of("table", "dataset.path=t.csv", "dataset.drop=[name]")
    data = ActiveLearningDataModule(dataset, tmp_path, augmentations=[RandomCrop(2)])
    with pytest.raises(AutoALError, match=r"set dataset.augment=\[\]"):
        data.setup()
