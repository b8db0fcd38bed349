"""``autoal embed --views``: views beside the features, the same bytes however they are made, and nothing mixed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from autoal.commands.main import main
from autoal.data.augment import RandomCrop
from autoal.data.base import DatasetInfo
from autoal.data.build import build_dataset
from autoal.data.rand_augment import RandAugment
from autoal.data.transforms import InputTransform
from autoal.embedding.encoder import build_encoder
from autoal.rng import stream_seed
from tests.commands.test_embed import MODEL, start, wait_for_lines

FEW = "classes=[0,1]"
CROP = "augment=[{_target_: autoal.data.augment.RandomCrop, padding: 1}]"
SMALL = ["embed", "digits", *MODEL, FEW, CROP, "--splits", "train", "--size", "32", "--device", "cpu"]
FILES = ("train_features.npy", "train_weak_features.npy", "train_strong_features.npy", "train_labels.npy")


def embed(out: Path, weights: Path, *more: str, words: list[str] = SMALL) -> int:
    return main([*words, f"backbone.pretrained={weights}", "--out", str(out), *more])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """The folder of an undisturbed run with two views."""
    folder = tmp_path_factory.mktemp("views") / "f"
    assert embed(folder, weights, "--views", "2", "--seed", "3") == 0
    return folder


def test_views_are_what_the_network_says_of_the_changed_images(made: Path, weights: Path) -> None:
    config = {
        "_target_": "autoal.models.torchvision.TorchvisionBackbone",
        "name": "torchvision",
        "model": "shufflenet_v2_x0_5",
        "pretrained": str(weights),
    }
    encoder = build_encoder(config, 32)
    splits = build_dataset({"_target_": "autoal.data.digits.Digits", "classes": [0, 1]}).load(Path("/"))
    images = splits["train"].source.fetch(torch.arange(len(splits["train"])))
    plain = DatasetInfo("", (1, 8, 8), 10)
    for kind, augmentations in (("weak", [RandomCrop(1)]), ("strong", [RandomCrop(1), RandAugment()])):
        views = np.load(made / f"train_{kind}_features.npy", mmap_mode="r")
        assert views.shape == (2, len(images), 1024)
        assert views.dtype == np.float16
        for number in (0, 1):
            ids = torch.arange(30, 40)
            key = stream_seed(3, "cached views", kind)
            x = InputTransform(plain, augmentations).train(images[ids], key, len(images) * number + ids)
            expected = encoder((x * 255).round().to(torch.uint8)).float().numpy()
            found = np.asarray(views[number, 30:40], dtype=np.float32)
            assert np.allclose(found, expected, atol=2e-3 * np.abs(expected).max())
        assert not np.array_equal(views[0], views[1])


def test_the_features_beside_them_are_what_they_are_without(made: Path, weights: Path, tmp_path: Path) -> None:
    assert embed(tmp_path / "f", weights) == 0
    assert (tmp_path / "f" / FILES[0]).read_bytes() == (made / FILES[0]).read_bytes()
    assert not (tmp_path / "f" / FILES[1]).exists()


def test_the_card_says_what_they_are(made: Path) -> None:
    views = json.loads((made / "features.json").read_text())["views"]
    crop = {"_target_": "autoal.data.augment.RandomCrop", "padding": 1}
    rand = {"_target_": "autoal.data.rand_augment.RandAugment", "n": 3, "cutout": 0.5, "geometric": False}
    assert views == {"number": 2, "seed": 3, "weak": [crop], "strong": [crop, rand]}


def test_a_second_call_has_nothing_to_do_with_or_without_them(
    made: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.iterdir()}
    assert embed(made, weights, "--views", "2", "--seed", "3") == 0
    assert "2 weak and strong views of each training image" in capsys.readouterr().out
    assert embed(made, weights) == 0
    assert {p: p.stat().st_mtime_ns for p in made.iterdir()} == before


def test_without_a_weak_change_the_sample_is_its_weak_view(weights: Path, tmp_path: Path) -> None:
    still = "training.weak=[]"
    assert embed(tmp_path / "f", weights, still, "--views", "1") == 0
    assert not (tmp_path / "f" / FILES[1]).exists()
    assert (tmp_path / "f" / FILES[2]).exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--views", "3", "--seed", "3"], "views.number: 2 there, 3 here"),
        (["--views", "2"], "views.seed: 3 there, 0 here"),
        (
            [
                *("--views", "2", "--seed", "3"),
                "training.strong=[{_target_: autoal.data.rand_augment.RandAugment, n: 2}]",
            ],
            "views.strong.0._target_",
        ),
    ],
)
def test_other_views_do_not_continue_a_folder(
    made: Path, weights: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.iterdir()}
    assert embed(made, weights, *more) == 1
    error = capsys.readouterr().err
    assert "holds features of something else: " in error
    assert message in error
    assert error.count("\n") == 1
    assert {p: p.stat().st_mtime_ns for p in made.iterdir()} == before


def test_features_alone_get_no_views_later(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(tmp_path / "f", weights) == 0
    assert embed(tmp_path / "f", weights, "--views", "1") == 1
    assert "views.number: nothing there, 1 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--views", "-1"], "--views -1 is not 0 or more"),
        (["training.strong=[]"], "training.strong changes views, and none are asked for; add --views 5"),
        (["--views", "2", "--splits", "test"], "--views are of the train part, which --splits test leaves out"),
        (
            ["--views", "2", "training.strong=[{_target_: autoal.data.noise.FeatureNoise}]"],
            "training.strong: FeatureNoise is for vectors",
        ),
        (["--views", "2", "training.strong=[{_target_: autoal.data.noise.Absent}]"], "training.strong[0]"),
    ],
)
def test_refusals_are_one_line(
    more: list[str], message: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(tmp_path / "f", weights, *more) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "f").exists()


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_killed_among_the_views_and_resumed_the_bytes_are_those_of_an_undisturbed_run(
    weights: Path, tmp_path: Path, processes: str
) -> None:
    more = (CROP, "--views", "2", "--processes", processes)
    calm = start(tmp_path / "calm", weights, CROP, "--views", "2")
    assert calm.wait() == 0
    process = start(tmp_path / "f", weights, *more)
    # Blocks are committed once a second; of the 30 plain ones none is left when the first view is there.
    wait_for_lines(tmp_path / "f" / "progress.jsonl", 35, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "f" / "features.json").exists()
    other = start(tmp_path / "f", weights, CROP, "--processes", processes)
    said = other.communicate()[1]
    assert "views.number: 2 there, nothing here" in said, "without views it is another folder"
    assert start(tmp_path / "f", weights, *more).wait() == 0
    for name in (*FILES, "test_features.npy", "features.json"):
        assert (tmp_path / "f" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
