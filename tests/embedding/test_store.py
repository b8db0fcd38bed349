"""The folder of features: what is in it is durable, what is not is known, and nothing is mixed."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoal.data.base import Split, TensorSource
from autoal.data.features import Features
from autoal.data.static import load_static
from autoal.embedding.store import Block, FeatureStore, rows_of
from autoal.errors import AutoALError

ROWS = np.arange(70, dtype=np.float16).reshape(10, 7)


def plan(**changes: Any) -> dict[str, Any]:
    splits = {"train": {"rows": 10, "fingerprint": "a"}, "test": {"rows": 4, "fingerprint": "b"}}
    return {"weights": "f00", "dimension": 7, "transform": {"size": [8, 8]}, "splits": splits} | changes


def fill(store: FeatureStore, blocks: list[Block]) -> None:
    for block in blocks:
        store.files[block.split].write(block.start, ROWS[block.start : block.stop])
        store.record(block)


def finish(folder: Path) -> None:
    with FeatureStore(folder, plan()) as store:
        fill(store, store.missing(4))
        labels = {"train": np.arange(10) % 3, "test": np.array([0, 1, 2, 0])}
        store.finish(labels, {"versions": {"torch": "2"}})


def test_blocks_cover_every_row_once(tmp_path: Path) -> None:
    with FeatureStore(tmp_path / "f", plan()) as store:
        blocks = store.missing(4)
        assert blocks == [("train", 0, 4), ("train", 4, 8), ("train", 8, 10), ("test", 0, 4)]
        assert rows_of(blocks) == 14


def test_a_finished_folder_is_a_data_set_and_stays_as_it_is(tmp_path: Path) -> None:
    finish(tmp_path / "f")
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == [
        ".lock",
        *("features.json", "test_features.npy", "test_labels.npy", "train_features.npy", "train_labels.npy"),
    ]
    splits = Features("f", standardise=False).load(tmp_path)
    assert np.array_equal(splits["train"].source.fetch(torch.arange(10)).numpy(), ROWS)
    assert splits["train"].targets.tolist() == [0, 1, 2] * 3 + [0]
    assert isinstance(np.load(tmp_path / "f" / "train_features.npy", mmap_mode="r"), np.memmap)
    card = json.loads((tmp_path / "f" / "features.json").read_text())
    assert card == plan() | {"versions": {"torch": "2"}}
    with FeatureStore(tmp_path / "f", plan()) as store:
        assert store.finished
    one = plan(splits={"train": plan()["splits"]["train"]})
    with FeatureStore(tmp_path / "f", one) as store:
        assert store.finished, "a part of what is there is there"


def test_an_unfinished_folder_is_no_data_set_yet(tmp_path: Path) -> None:
    with FeatureStore(tmp_path / "f", plan()) as store:
        fill(store, store.missing(4)[:1])
    with pytest.raises(AutoALError, match="is unfinished: run the same autoal embed again"):
        Features("f").load(tmp_path)
    images = Split(TensorSource(torch.zeros(10, 1, 4, 4, dtype=torch.uint8)), torch.zeros(10, dtype=torch.int64))
    with pytest.raises(AutoALError, match="is unfinished"):
        load_static("f", images, tmp_path, "tiny")


def test_a_resume_computes_the_missing_blocks_alone(tmp_path: Path) -> None:
    with FeatureStore(tmp_path / "f", plan()) as store:
        fill(store, [Block("train", 4, 8), Block("test", 0, 4)])
        store.commit()
    with FeatureStore(tmp_path / "f", plan()) as store:
        assert store.missing(4) == [("train", 0, 4), ("train", 8, 10)]


def test_a_line_that_a_kill_cut_off_does_not_count(tmp_path: Path) -> None:
    with FeatureStore(tmp_path / "f", plan()) as store:
        fill(store, [Block("train", 0, 4)])
        store.commit()
    journal = tmp_path / "f" / "progress.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'["train", 4, 8')
    with FeatureStore(tmp_path / "f", plan()) as store:
        assert store.missing(4)[0] == ("train", 4, 8)
        fill(store, [Block("train", 4, 8)])
        store.commit()
    assert journal.read_bytes() == whole + b'["train", 4, 8]\n'


def test_a_lost_file_is_made_again(tmp_path: Path) -> None:
    with FeatureStore(tmp_path / "f", plan()) as store:
        fill(store, store.missing(4))
        store.commit()
    (tmp_path / "f" / "train_features.npy").write_bytes(b"\0" * 20)
    with FeatureStore(tmp_path / "f", plan()) as store:
        assert store.missing(4) == [("train", 0, 4), ("train", 4, 8), ("train", 8, 10)]


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "bad"}, "something else: weights: f00 there, bad here; choose another --out"),
        ({"transform": {"size": [9, 9]}}, r"transform.size: \[8, 8\] there, \[9, 9\] here"),
        ({"splits": {"train": {"rows": 10, "fingerprint": "z"}}}, "splits.train.fingerprint: a there, z here"),
    ],
)
def test_another_plan_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str, complete: bool
) -> None:
    if complete:
        finish(tmp_path / "f")
    else:
        with FeatureStore(tmp_path / "f", plan()):
            pass
    before = {p.name: p.read_bytes() for p in (tmp_path / "f").iterdir()}
    with pytest.raises(AutoALError, match=message), FeatureStore(tmp_path / "f", plan(**changes)):
        pass
    assert {p.name: p.read_bytes() for p in (tmp_path / "f").iterdir()} == before


def test_files_of_another_origin_are_left_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "train_features.npy", ROWS)
    with pytest.raises(AutoALError, match=r"holds train_features\.npy, which autoal embed did not write"):
        FeatureStore(tmp_path, plan()).__enter__()
    assert np.array_equal(np.load(tmp_path / "train_features.npy"), ROWS)


def test_two_writers_at_once(tmp_path: Path) -> None:
    with FeatureStore(tmp_path, plan()), pytest.raises(AutoALError, match="another process writes features"):
        FeatureStore(tmp_path, plan()).__enter__()
    with FeatureStore(tmp_path, plan()):
        pass


@pytest.mark.parametrize("text", ["{", '["train", 0, 4]', json.dumps(plan()) + '\n["trian", 0, 4]'])
def test_a_damaged_journal_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "progress.jsonl").write_text(text + "\n")
    with (
        pytest.raises(AutoALError, match=r"damaged: remove it and the \.npy files"),
        FeatureStore(tmp_path, plan()),
    ):
        pass


def test_a_damaged_finished_folder_is_one_line(tmp_path: Path) -> None:
    finish(tmp_path)
    (tmp_path / "test_features.npy").unlink()
    with (
        pytest.raises(AutoALError, match=r"test_features\.npy is missing or damaged"),
        FeatureStore(tmp_path, plan()),
    ):
        pass


@contextmanager
def files_up_to(n_bytes: int) -> Iterator[None]:
    """Let the kernel refuse to make files longer than this."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_no_room_for_the_features_is_one_line_and_leaves_no_half_file(tmp_path: Path) -> None:
    large = plan(dimension=4096)
    with (
        files_up_to(20_000),
        pytest.raises(AutoALError, match=r"cannot write .*train_features.npy \(82,048 bytes\)"),
    ):
        FeatureStore(tmp_path, large).__enter__()
    assert not list(tmp_path.glob("*.npy"))
    with FeatureStore(tmp_path, large) as store:
        assert len(store.missing(4)) == 4


def test_more_than_is_free_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    vast = plan(dimension=1 << 46)
    with pytest.raises(AutoALError, match="disk full: the features take"):
        FeatureStore(tmp_path, vast).__enter__()
    assert not list(tmp_path.glob("*.npy"))


def test_no_room_for_a_line_of_the_journal(tmp_path: Path) -> None:
    with FeatureStore(tmp_path, plan()) as store:
        length = (tmp_path / "progress.jsonl").stat().st_size
        store.files["train"].write(0, ROWS[:4])
        with files_up_to(length + 3), pytest.raises(AutoALError, match=r"cannot write .*progress\.jsonl"):
            store.record(Block("train", 0, 4))
    with FeatureStore(tmp_path, plan()) as store:
        assert store.missing(4)[0] == ("train", 0, 4)
