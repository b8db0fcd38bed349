"""Static features belong to the samples they were made of, or are refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from autoal.data.base import Split, TensorSource
from autoal.data.fingerprint import split_digest
from autoal.data.static import load_static
from autoal.errors import AutoALError


def images(n: int = 12) -> Split:
    pixels = torch.arange(n * 16, dtype=torch.uint8).reshape(n, 1, 4, 4)
    return Split(TensorSource(pixels), torch.arange(n) % 3)


def write(folder: Path, rows: np.ndarray, fingerprint: str | None = None) -> None:
    folder.mkdir(exist_ok=True)
    np.save(folder / "train_features.npy", rows)
    if fingerprint is not None:
        card = {"splits": {"train": {"fingerprint": fingerprint}}}
        (folder / "features.json").write_text(json.dumps(card))


def test_rows_come_by_id_in_float32(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float16)
    write(tmp_path / "f", rows, split_digest(images()))
    static = load_static("f", images(), tmp_path, "tiny")
    assert static is not None
    assert len(static) == 12
    found = static(torch.tensor([7, 2]))
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), rows[[7, 2]].astype(np.float32))
    other = load_static(str(tmp_path / "f" / "train_features.npy"), images(), Path("elsewhere"), "tiny")
    assert other is not None
    assert other.digest() == static.digest()


def test_vectors_are_their_own_features_and_pixels_have_none(tmp_path: Path) -> None:
    assert load_static(None, images(), tmp_path, "tiny") is None
    table = Split(TensorSource(torch.eye(4)), torch.arange(4))
    static = load_static(None, table, tmp_path, "table")
    assert static is not None
    assert torch.equal(static(torch.tensor([3, 0])), torch.eye(4)[[3, 0]])


@pytest.mark.parametrize(
    ("rows", "fingerprint", "message"),
    [
        (np.zeros((11, 5), np.float32), None, "has 11 rows, but tiny has 12 training samples"),
        (np.zeros((12, 5), np.int64), None, "holds int64"),
        (np.full((12, 5), np.nan, np.float32), None, "row 0"),
        (np.zeros((12, 5), np.float32), "1:of other images", "was made of other data than dataset=tiny"),
    ],
)
def test_features_of_other_data_are_refused(
    tmp_path: Path, rows: np.ndarray, fingerprint: str | None, message: str
) -> None:
    write(tmp_path / "f", rows, fingerprint)
    with pytest.raises(AutoALError, match=message):
        load_static("f", images(), tmp_path, "tiny")


def test_a_damaged_card_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "f", np.zeros((12, 5), np.float32))
    (tmp_path / "f" / "features.json").write_text("{")
    with pytest.raises(AutoALError, match=r"cannot read .*features\.json"):
        load_static("f", images(), tmp_path, "tiny")


def test_a_missing_folder_names_a_command_that_embed_takes(tmp_path: Path) -> None:
    import argparse
    import shlex

    from autoal.commands import embed

    with pytest.raises(AutoALError, match="make it with: autoal embed") as error:
        load_static("f", images(), tmp_path, "digits")
    words = shlex.split(str(error.value).partition("autoal embed ")[2])
    parser = argparse.ArgumentParser()
    embed.add_arguments(parser)
    args = parser.parse_args(words)
    config = embed._compose(args.dataset, args.options)
    assert (config.dataset.name, config.backbone.model, str(args.out)) == ("digits", "resnet18", "f")
