"""Your own images: trees, manifests, and every way they can be wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autoal.data.base import Dataset
from autoal.data.filesets import Pinned
from autoal.data.folder import ImageFolder
from autoal.data.images import Decoder, ImageFiles
from autoal.data.memmap import ArraySource
from autoal.errors import AutoALError
from tests.data.formats import pixels, save_image, write_tree

CPU = torch.device("cpu")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree("mine")(tmp_path)
    return tmp_path / "mine"


def manifest(folder: Path, rows: list[list[str]], header: tuple[str, ...] = ("path", "label", "split")) -> Path:
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Ten images in one folder, without labels."""
    folder = tmp_path / "mine"
    for i in range(10):
        save_image(folder / f"{i}.png", pixels(12, 12, 3, seed=i))
    return folder


def load(folder: Path, **options: Any) -> tuple[Dataset, dict[str, Any]]:
    dataset = ImageFolder(str(folder), **options)
    return dataset, dataset.load(folder.parent)


def test_a_tree_is_read_in_alphabetical_order_with_its_pixels(tree: Path) -> None:
    dataset, splits = load(tree)
    assert dataset.info.class_names == ("cat", "dog")
    assert dataset.info.input_shape == (3, 32, 32)
    assert splits["train"].targets.tolist() == [0] * 4 + [1] * 4
    first = splits["train"].source.fetch(torch.tensor([5]))[0]
    assert torch.equal(first.permute(1, 2, 0), torch.from_numpy(pixels(32, 32, 3, seed=11)))


def test_rgb_order_is_red_green_blue(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    for part in ("train", "test"):
        for name in ("a", "b"):
            save_image(tmp_path / "mine" / part / name / "x.png", red)
    _, splits = load(tmp_path / "mine")
    assert splits["train"].source.fetch(torch.tensor([0]))[0, :, 0, 0].tolist() == [200, 0, 0]


def test_grey_files_become_rgb_and_rgb_files_grey(tree: Path) -> None:
    save_image(tree / "train" / "cat" / "grey.png", pixels(32, 32))
    _, splits = load(tree)
    grey = splits["train"].source.fetch(torch.tensor([4]))[0]
    assert torch.equal(grey[0], grey[1])
    dataset, splits = load(tree, channels=1)
    assert dataset.info.input_shape == (1, 32, 32)
    assert splits["train"].source.fetch(torch.tensor([0])).shape == (1, 1, 32, 32)


def test_a_tree_without_test_part_is_split_by_file_and_seed(tmp_path: Path) -> None:
    for c in ("a", "b", "c"):
        for i in range(10):
            save_image(tmp_path / "mine" / "train" / c / f"{i}.png", pixels(8, 8, 3, seed=i))
    _, first = load(tmp_path / "mine", test_share=0.3)
    assert len(first["test"]) + len(first["train"]) == 30
    assert 3 <= len(first["test"]) <= 15
    _, again = load(tmp_path / "mine", test_share=0.3)
    assert again["test"].source.paths == first["test"].source.paths
    _, other = load(tmp_path / "mine", test_share=0.3, split_seed=1)
    assert other["test"].source.paths != first["test"].source.paths


def test_unlabelled_images_belong_to_training_and_can_not_be_bought(tree: Path) -> None:
    save_image(tree / "unlabelled" / "deep" / "x.png", pixels(32, 32, 3))
    _, splits = load(tree)
    assert splits["train"].targets.tolist() == [0] * 4 + [1] * 4 + [-1]


def test_a_partial_manifest(flat: Path) -> None:
    rows = [[f"{i}.png", ("cat", "dog")[i % 2], ("train", "test")[i >= 4]] for i in range(8)]
    rows += [["8.png", "", "train"], ["9.png", " ", ""]]
    manifest(flat, rows)
    dataset, splits = load(flat, manifest="labels.csv")
    assert dataset.info.class_names == ("cat", "dog")
    assert splits["train"].targets.tolist() == [0, 1, 0, 1, -1, -1]
    assert splits["test"].targets.tolist() == [0, 1, 0, 1]
    assert "val" not in splits


def test_a_manifest_without_split_column_from_a_spreadsheet(flat: Path) -> None:
    path = manifest(flat, [[f"{i}.png", "ab"[i % 2]] for i in range(10)], header=(" path", "label "))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    _, splits = load(flat, manifest="labels.csv", test_share=0.4)
    assert len(splits["test"]) + len(splits["train"]) == 10


def test_no_image_changes_sides_when_others_come_go_or_get_a_label(flat: Path) -> None:
    def sides(rows: list[list[str]]) -> dict[str, set[str]]:
        manifest(flat, rows, header=("path", "label"))
        _, splits = load(flat, manifest="labels.csv", test_share=0.5)
        return {part: set(split.names) for part, split in splits.items()}

    rows = [[f"{i}.png", "ab"[i % 2]] for i in range(8)]
    before = sides(rows)
    for later in (rows[::-1], [*rows, ["8.png", "a"], ["9.png", "b"]], [*rows[1:], ["9.png", ""]]):
        after = sides(later)
        names = {name for name, _ in later} & {name for name, _ in rows}
        for part in ("train", "test"):
            assert after[part] & names == before[part] & names


def test_a_folder_without_labels_needs_class_names(flat: Path) -> None:
    dataset, splits = load(flat, class_names=["cat", "dog", "eel"])
    assert dataset.info.class_names == ("cat", "dog", "eel")
    assert dataset.info.n_classes == 3
    assert splits["train"].targets.tolist() == [-1] * 10
    assert splits["train"].names == [f"{i}.png" for i in range(10)]
    assert set(splits) == {"train"}
    assert dataset.lacks_test
    manifest(flat, [["0.png", "cta"]], header=("path", "label"))
    with pytest.raises(AutoALError, match=r"row 2: unknown class 'cta'. Did you mean 'cat'"):
        load(flat, manifest="labels.csv", class_names=["cat", "dog", "eel"])
    with pytest.raises(AutoALError, match="class_names: 'cat' is a class twice"):
        load(flat, class_names=["cat", "cat"])


def test_pinned_images_keep_their_rows(flat: Path) -> None:
    pinned = Pinned(("7.png", "gone.png", "2.png"), (0.5,) * 3, (0.25,) * 3)
    dataset = ImageFolder(str(flat), class_names=["cat", "dog"])
    dataset.pinned = pinned
    train = dataset.load(flat.parent)["train"]
    assert train.names == ["7.png", "gone.png", "2.png", *(f"{i}.png" for i in (0, 1, 3, 4, 5, 6, 8, 9))]
    assert train.missing == [1]
    assert dataset.info.mean == (0.5,) * 3
    got = train.source.fetch(torch.tensor([0, 1, 2]))
    assert torch.equal(got[0].permute(1, 2, 0), torch.from_numpy(pixels(12, 12, 3, seed=7)))
    assert not got[1].any()
    assert torch.equal(train.source.to(CPU).inputs[2], got[2])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [["0.png", "a", "train"], ["1.png", "b", "train"], ["gone.png", "a", "test"]],
            r"no image .*gone.png.*row 4",
        ),
        (
            [["0.png", "a", "train"], ["1.png", "b", "train"], ["2.png", "c", "test"]],
            r"row 4: class 'c' never occurs",
        ),
        ([["0.png", "a", "train"], ["1.png", "b", "dev"]], r"row 3: split 'dev' is not one of"),
        ([["0.png", "a", "train"], ["1.png", "", "test"]], r"row 3: a test image needs a label"),
        ([["0.png", "a", "train"], ["0.png", "b", "train"]], r"row 3: 0.png stands in .*row 2 already"),
        ([["", "a", "train"]], r"row 2: the path is empty"),
        ([["0.png", "a", "train"]], r"has 1 classes among its training rows"),
    ],
)
def test_a_wrong_manifest_names_file_and_row(rows: list[list[str]], message: str, flat: Path) -> None:
    manifest(flat, rows)
    with pytest.raises(AutoALError, match=message) as caught:
        load(flat, manifest="labels.csv")
    assert "labels.csv" in str(caught.value)


def test_a_manifest_without_the_needed_columns_lists_what_it_has(flat: Path) -> None:
    manifest(flat, [["0.png", "a"]], header=("file", "label"))
    with pytest.raises(AutoALError, match=r"has no column 'path'; it has: file, label"):
        load(flat, manifest="labels.csv")
    (flat / "labels.csv").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(AutoALError, match="not a CSV file in UTF-8"):
        load(flat, manifest="labels.csv")
    with pytest.raises(AutoALError, match=r"no .*absent.csv"):
        load(flat, manifest="absent.csv")


def test_empty_class_folder_and_class_that_is_not_trained(tree: Path) -> None:
    (tree / "train" / "fish").mkdir()
    with pytest.raises(AutoALError, match=r"class folder .*train/fish holds no images"):
        load(tree)
    (tree / "train" / "fish").rmdir()
    save_image(tree / "test" / "bird" / "x.png", pixels(32, 32, 3))
    with pytest.raises(AutoALError, match=r"test/bird: there is no class 'bird'"):
        load(tree)


def test_too_few_classes_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "mine" / "train" / "only").mkdir(parents=True)
    with pytest.raises(AutoALError, match="has 1 class folders, at least 2"):
        load(tmp_path / "mine")
    with pytest.raises(AutoALError, match=r"no folder .*set dataset.path"):
        load(tmp_path / "absent")


def test_a_corrupt_image_is_named_with_its_row(flat: Path) -> None:
    manifest(flat, [[f"{i}.png", "ab"[i % 2], ("train", "test")[i >= 6]] for i in range(10)])
    broken = flat / "7.png"
    broken.write_bytes(broken.read_bytes()[:60])
    _, splits = load(flat, manifest="labels.csv")
    with pytest.raises(
        AutoALError, match=r"7.png \(named in .*labels.csv row 9\) is not a readable image"
    ) as caught:
        splits["test"].source.to(CPU)
    assert "\n" not in str(caught.value)
    (flat / "0.png").write_bytes(b"not an image")
    with pytest.raises(AutoALError, match=r"0.png .*row 2.* is not a readable image"):
        load(flat, manifest="labels.csv")


def test_mixed_sizes_need_a_size(tree: Path) -> None:
    save_image(tree / "train" / "dog" / "big.png", pixels(40, 30, 3))
    with pytest.raises(AutoALError, match=r"big.png is 40x30 pixels .* first image is 32x32; set dataset.size"):
        load(tree)[1]["train"].source.to(CPU)
    dataset, splits = load(tree, size=[20, 24])
    assert dataset.info.input_shape == (3, 20, 24)
    assert splits["train"].source.to(CPU).inputs.shape == (9, 3, 20, 24)


def test_crop_keeps_the_aspect_and_stretch_does_not(tmp_path: Path) -> None:
    # Left third red, middle green, right third blue.
    image = np.zeros((20, 60, 3), np.uint8)
    for channel in range(3):
        image[:, 20 * channel : 20 * channel + 20, channel] = 255
    save_image(tmp_path / "x.png", image)
    cropped = Decoder(size=(20, 20))(tmp_path / "x.png")
    assert cropped[1].min() == 255
    assert cropped[0].max() == cropped[2].max() == 0
    stretched = Decoder(size=(20, 20), fit="stretch")(tmp_path / "x.png")
    assert stretched[0, 0, 0] == stretched[1, 0, 10] == stretched[2, 0, 19] == 255


def test_photographs_taken_sideways_stand_upright(tmp_path: Path) -> None:
    image = Image.fromarray(pixels(8, 12, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    upright = Decoder()(tmp_path / "x.png")
    assert upright.shape == (3, 12, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "channels=2"),
        ({"fit": "pad"}, "fit=pad is not one of crop, stretch"),
        ({"size": [0, 3]}, "is not a height and a width"),
        ({"size": [1, 2, 3]}, "is not a height and a width"),
        ({"normalise": "zca"}, "normalise=zca"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str, tree: Path) -> None:
    with pytest.raises(AutoALError, match=message):
        load(tree, **options)


def test_normalisation_is_of_the_training_images(tree: Path) -> None:
    dataset, splits = load(tree)
    x = splits["train"].source.to(CPU).inputs.double() / 255
    assert dataset.info.mean == pytest.approx(x.mean((0, 2, 3)).tolist(), abs=1e-4)
    assert dataset.info.std == pytest.approx(x.std((0, 2, 3), unbiased=False).tolist(), abs=1e-4)
    assert load(tree, normalise="none")[0].info.mean == ()
    assert load(tree, normalise="imagenet")[0].info.mean == (0.485, 0.456, 0.406)


def test_the_cache_holds_the_same_pixels_and_follows_changes(tree: Path) -> None:
    _, plain = load(tree)
    _, cached = load(tree, cache=True)
    assert isinstance(plain["train"].source, ImageFiles)
    assert isinstance(cached["train"].source, ArraySource)
    rows = torch.arange(8)
    assert torch.equal(cached["train"].source.fetch(rows), plain["train"].source.fetch(rows))
    cache = tree.parent / ".autoal-cache"
    before = {p.name for p in cache.iterdir()}
    load(tree, cache=True)
    assert {p.name for p in cache.iterdir()} == before
    save_image(tree / "train" / "cat" / "0.png", pixels(32, 32, 3, seed=99))
    _, changed = load(tree, cache=True)
    assert torch.equal(
        changed["train"].source.fetch(torch.tensor([0]))[0].permute(1, 2, 0),
        torch.from_numpy(pixels(32, 32, 3, seed=99)),
    )


def test_a_folder_that_can_not_be_written_is_no_error(tree: Path) -> None:
    (tree.parent / ".autoal-cache").write_text("in the way")
    _, splits = load(tree, cache=True)
    assert isinstance(splits["train"].source, ImageFiles)


@pytest.mark.data
@pytest.mark.slow
def test_the_real_jpeg_folder_in_full(real_cifar_jpeg: Path, dataset_of: Callable[..., Dataset]) -> None:
    dataset = dataset_of("cifar10_jpeg", "dataset.cache=false")
    splits = dataset.load(real_cifar_jpeg)
    assert dataset.info.class_names == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    assert splits["train"].targets.bincount().tolist() == [5000] * 10
    assert splits["test"].targets.bincount().tolist() == [1000] * 10
    x = splits["train"].source.to(CPU).inputs
    assert x.shape == (50_000, 3, 32, 32)
    # JPEG keeps the published mean and standard deviation of CIFAR-10 up to the second digit.
    assert (x.float().mean((0, 2, 3)) / 255).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-3)
    assert (x.float().std((0, 2, 3)) / 255).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=5e-3)


def outside(folder: Path, way: str) -> str:
    """Put an image beside the folder; return what a manifest may call it."""
    image = folder.parent / "private" / "x.png"
    save_image(image, pixels(12, 12, 3))
    if way == "absolute":
        return str(image)
    if way == "linked file":
        (folder / "link.png").symlink_to(image)
        return "link.png"
    if way == "linked folder":
        (folder / "link").symlink_to(image.parent)
        return "link/x.png"
    return {"climbing": "../private/x.png", "hidden climb": "a/../../private/x.png"}[way]


@pytest.mark.parametrize("way", ["climbing", "hidden climb", "absolute", "linked file", "linked folder"])
def test_a_manifest_stays_in_its_folder_unless_it_is_allowed_to_leave(way: str, flat: Path) -> None:
    (flat / "a").mkdir()
    rows = [[f"{i}.png", "ab"[i % 2], "test" if i > 7 else "train"] for i in range(10)]
    manifest(flat, [*rows[:3], [outside(flat, way), "a", "train"], *rows[3:]])
    with pytest.raises(
        AutoALError, match=r"labels.csv row 5: .*x?\.png lies outside .*allow_outside=true"
    ) as caught:
        load(flat, manifest="labels.csv")
    assert "\n" not in str(caught.value)
    _, splits = load(flat, manifest="labels.csv", allow_outside=True)
    assert len(splits["train"]) == 9


def test_links_within_the_folder_and_a_linked_folder_are_fine(flat: Path) -> None:
    (flat / "link.png").symlink_to(flat / "0.png")
    manifest(flat, [*([f"{i}.png", "ab"[i % 2], "train"] for i in range(10)), ["link.png", "a", "train"]])
    (flat.parent / "door").symlink_to(flat)
    dataset = ImageFolder("door", manifest="labels.csv")
    assert sum(len(split) for split in dataset.load(flat.parent).values()) == 11


def test_a_tree_does_not_lead_outside_either(tree: Path) -> None:
    save_image(tree.parent / "private" / "x.png", pixels(32, 32, 3))
    (tree / "train" / "cat" / "x.png").symlink_to(tree.parent / "private" / "x.png")
    with pytest.raises(AutoALError, match=r"train/cat/x\.png lies outside .*allow_outside=true"):
        load(tree)
    _, splits = load(tree, allow_outside=True)
    assert len(splits["train"]) == 9


def test_a_path_of_5000_characters_is_one_short_line(flat: Path) -> None:
    manifest(flat, [[f"{'a' * 5000}.png", "a"], ["0.png", "b"], ["1.png", "a"]], header=("path", "label"))
    with pytest.raises(
        AutoALError, match=r"no image .*\(5,\d+ characters\), named in .*labels.csv row 2"
    ) as caught:
        load(flat, manifest="labels.csv")
    assert len(str(caught.value)) < 500


def test_postscript_named_png_never_reaches_ghostscript(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree / "train" / "cat" / "0.png"
    Image.fromarray(pixels(32, 32, 3)).save(path, "EPS")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args, **kwargs: pytest.fail("Ghostscript runs"))
    with pytest.raises(AutoALError, match=r"0\.png is not a readable image: cannot identify"):
        load(tree)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "tif", "webp", "ppm"])
def test_every_extension_that_is_listed_is_read(suffix: str, tmp_path: Path) -> None:
    image = Image.fromarray(pixels(16, 16, 3))
    image.save(tmp_path / f"x.{suffix}")
    assert Decoder()(tmp_path / f"x.{suffix}").shape == (3, 16, 16)
