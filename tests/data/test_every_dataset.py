"""Every dataset config reads its real format, and its metadata tell the truth about what was read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autoal.config.command_line import choices
from autoal.data.base import Dataset
from autoal.errors import AutoALError
from tests.data.formats import OVERRIDES, WRITERS

NAMES = choices("dataset")
FILES = [n for n in NAMES if n not in ("digits", "breast_cancer")]


def test_every_config_has_a_writer() -> None:
    assert set(WRITERS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_loads_what_its_metadata_promise(name: str, tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    WRITERS[name](tmp_path)
    dataset = dataset_of(name, *OVERRIDES.get(name, []))
    splits = dataset.load(tmp_path)
    info = dataset.info
    assert info.name == name
    assert {"train", "test"} <= set(splits)
    channels = info.input_shape[0]
    for split in splits.values():
        rows = torch.arange(len(split))
        inputs = split.source.fetch(rows)
        assert inputs.shape == (len(split), *info.input_shape)
        assert split.targets.shape == (len(split),)
        assert split.targets.dtype == torch.int64
        assert int(split.targets.max()) < info.n_classes
        assert split.source.nbytes == inputs.nbytes
        # Selecting and moving keep the samples.
        some = rows.flip(0)[:3]
        assert torch.equal(split.source.select(some).fetch(torch.arange(len(some))), inputs[some])
        assert torch.equal(split.source.to(torch.device("cpu")).fetch(rows), inputs)
    # The tiny files may hold fewer classes than a config with published metadata, never more.
    assert len(splits["train"].targets.unique()) <= info.n_classes
    assert len(info.class_names) in (0, info.n_classes)
    assert len(info.mean) == len(info.std) == channels
    assert all(s > 0 for s in info.std)
    if len(info.input_shape) == 3:
        assert splits["train"].source.fetch(torch.tensor([0])).dtype == torch.uint8


@pytest.mark.parametrize("name", FILES)
def test_missing_files_are_one_line_that_says_where_and_what_next(
    name: str, tmp_path: Path, dataset_of: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    # Some loaders of scikit-learn fetch what is missing.
    monkeypatch.setattr("sklearn.datasets._openml.urlopen", unreachable)
    with pytest.raises(AutoALError) as caught:
        dataset_of(name, *OVERRIDES.get(name, [])).load(tmp_path / "nowhere")
    message = str(caught.value)
    assert str(tmp_path / "nowhere") in message
    assert "\n" not in message
    assert (
        f"autoal data {name.split('_')[0]}" in message
        or "set dataset.path" in message
        or "put the three" in message
    )


@pytest.mark.parametrize("name", ["image_folder", "openml", "table", "features"])
def test_a_config_without_a_default_path_asks_for_it(name: str, dataset_of: Callable[..., Dataset]) -> None:
    with pytest.raises(AutoALError, match=r"dataset\.(path|data_id) needs a value"):
        dataset_of(name)
