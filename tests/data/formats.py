"""Writers of tiny files in the real on-disk formats, each a few samples per class."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

RNG_SEED = 7
Array = npt.NDArray[np.uint8]


def pixels(*shape: int, seed: int = RNG_SEED) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def labels(n: int, n_classes: int) -> npt.NDArray[np.int64]:
    return np.arange(n) % n_classes


def save_image(path: Path, image: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


# IDX


def idx_bytes(array: Array) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(
    folder: Path, names: tuple[str, str], n: int, n_classes: int, first: int = 0, gz: bool = False
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = (pixels(n, 28, 28), (labels(n, n_classes) + first).astype(np.uint8))
    for name, array in zip(names, content, strict=True):
        data = idx_bytes(array)
        if gz:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)


def write_mnist_like(folder: str, gz: bool = False) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for part, n in (("train", 40), ("t10k", 20)):
            write_idx(root / folder, (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"), n, 10, gz=gz)

    return write


def write_emnist(split: str, n_classes: int, first: int = 0) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for part, n in (("train", 2 * n_classes), ("test", n_classes)):
            stem = f"emnist-{split}-{part}"
            names = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
            write_idx(root / "EMNIST/raw", names, n, n_classes, first, gz=True)

    return write


# CIFAR, SVHN, MedMNIST, mini-ImageNet


def write_cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        batch = {"data": pixels(20, 3072, seed=i), "labels": labels(20, 10).tolist(), "filenames": ["x.png"] * 20}
        # Protocol 2, as the official files have it.
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))


def write_cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for name, n in (("train", 200), ("test", 100)):
        batch = {
            "data": pixels(n, 3072),
            "fine_labels": labels(n, 100).tolist(),
            "coarse_labels": labels(n, 20).tolist(),
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))


def write_svhn(root: Path) -> None:
    from scipy.io import savemat

    root.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 40), ("test", 20)):
        y = labels(n, 10).astype(np.uint8)
        y[y == 0] = 10
        savemat(root / f"{part}_32x32.mat", {"X": pixels(32, 32, 3, n), "y": y[:, None]}, do_compression=True)


def write_medmnist(name: str, n_classes: int, channels: int, size: int = 28) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        (root / "medmnist").mkdir(parents=True, exist_ok=True)
        shape = (size, size) if channels == 1 else (size, size, channels)
        arrays: dict[str, Any] = {}
        for part, n in (("train", 4 * n_classes), ("val", n_classes), ("test", 2 * n_classes)):
            arrays[f"{part}_images"] = pixels(n, *shape)
            arrays[f"{part}_labels"] = labels(n, n_classes).astype(np.uint8)[:, None]
        suffix = "" if size == 28 else f"_{size}"
        np.savez_compressed(root / "medmnist" / f"{name}{suffix}.npz", **arrays)

    return write


def write_mini_imagenet(root: Path) -> None:
    folder = root / "mini_imagenet"
    folder.mkdir(parents=True)
    for part, n_classes in (("train", 4), ("val", 2), ("test", 2)):
        members = {f"n{part}{c:02d}": list(range(5 * c, 5 * c + 5)) for c in range(n_classes)}
        content = {"image_data": pixels(5 * n_classes, 84, 84, 3), "class_dict": members}
        (folder / f"mini-imagenet-cache-{part}.pkl").write_bytes(pickle.dumps(content, protocol=2))


# Image files


def write_tiny_imagenet(root: Path) -> None:
    base = root / "tiny-imagenet-200"
    wnids = ["n02", "n01", "n03"]
    for wnid in wnids:
        for i in range(3):
            # A few of the real files are grey.
            image = pixels(64, 64) if i == 0 else pixels(64, 64, 3, seed=i)
            save_image(base / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", image)
    (base / "wnids.txt").write_text("\n".join(wnids) + "\n")
    lines = []
    for i in range(6):
        save_image(base / "val" / "images" / f"val_{i}.JPEG", pixels(64, 64, 3, seed=i))
        lines.append(f"val_{i}.JPEG\t{wnids[i % 3]}\t0\t0\t62\t62\n")
    (base / "val" / "val_annotations.txt").write_text("".join(lines))


DOMAINNET_NAMES = (
    *("airplane", "bat", "bathtub", "bear", "bed", "bench", "bicycle", "bird", "bus", "butterfly", "car"),
    *("carrot", "cat", "chair", "couch", "cruise_ship", "dog", "pizza", "strawberry", "table", "zebra"),
)


def write_domainnet(root: Path) -> None:
    base = root / "domainnet"
    for part, n in (("train", 2), ("test", 1)):
        lines = []
        for c, name in enumerate(DOMAINNET_NAMES):
            for i in range(n):
                file = f"real/{name}/real_{c:03d}_{part}{i}.jpg"
                save_image(base / file, pixels(30 + c, 40, 3, seed=c))
                lines.append(f"{file} {c}\n")
        (base / f"real_{part}.txt").write_text("".join(lines))


def write_waterbirds(root: Path) -> None:
    base = root / "waterbird_complete95_forest2water2"
    base.mkdir(parents=True)
    with (base / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["img_id", "img_filename", "y", "split", "place", "place_filename"])
        for i in range(16):
            name = f"{i % 2:03d}.Bird/Bird_{i:04d}.jpg"
            save_image(base / name, pixels(40, 50, 3, seed=i))
            writer.writerow([i, name, i % 2, (0, 0, 1, 2)[i // 4], 0, "/x.jpg"])


def write_breakhis(root: Path) -> None:
    base = root / "BreaKHis_v1" / "histology_slides" / "breast"
    for c, (name, kind) in enumerate((("benign", "adenosis"), ("malignant", "ductal_carcinoma"))):
        for patient in range(4):
            for i, zoom in enumerate((40, 100)):
                tag = f"SOB_{name[0].upper()}_A_14-{c}{patient}"
                file = base / name / "SOB" / kind / tag / f"{zoom}X" / f"{tag}-{zoom}-001.png"
                save_image(file, pixels(46, 70, 3, seed=8 * c + 2 * patient + i))


def write_tree(folder: str, channels: int = 3, size: int = 32) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        shape = (size, size, 3) if channels == 3 else (size, size)
        for part, n in (("train", 4), ("test", 2)):
            for c, name in enumerate(("cat", "dog")):
                for i in range(n):
                    save_image(root / folder / part / name / f"{i}.png", pixels(*shape, seed=10 * c + i))

    return write


# Tables and features


def write_openml(data_id: int, n_classes: int = 3) -> Callable[[Path], None]:
    """Write what scikit-learn caches: OpenML's JSON answers and the ARFF file, each gzipped."""

    def write(root: Path) -> None:
        rng = np.random.default_rng(0)
        lines = ["@RELATION toy", "@ATTRIBUTE width REAL", "@ATTRIBUTE height REAL", "@ATTRIBUTE kind {a,b}"]
        names = [f"c{i}" for i in range(n_classes)]
        lines += [f"@ATTRIBUTE class {{{','.join(names)}}}", "@DATA"]
        for i in range(30 * n_classes):
            x, y = rng.normal(i % n_classes, 0.3), rng.normal(5, 2)
            lines.append(f"{x:.4f},{y:.4f},{'ab'[i % 2]},{names[i % n_classes]}")
        arff = ("\n".join(lines) + "\n").encode()
        description = {
            "id": str(data_id),
            "name": "toy",
            "description": "A toy.",
            "version": "1",
            "format": "ARFF",
            "file_id": "99",
            "url": "https://www.openml.org/data/v1/download/99/toy.arff",
            "md5_checksum": hashlib.md5(arff).hexdigest(),
            "default_target_attribute": "class",
            "status": "active",
        }
        kinds = (("width", "numeric"), ("height", "numeric"), ("kind", "nominal"), ("class", "nominal"))
        features = [
            {
                "index": str(i),
                "name": name,
                "data_type": kind,
                "is_target": str(name == "class").lower(),
                "is_ignore": "false",
                "is_row_identifier": "false",
                "number_of_missing_values": "0",
            }
            for i, (name, kind) in enumerate(kinds)
        ]
        base = root / "openml" / "openml" / "openml.org"
        answers: dict[str, Any] = {
            f"api/v1/json/data/{data_id}": {"data_set_description": description},
            f"api/v1/json/data/features/{data_id}": {"data_features": {"feature": features}},
            f"api/v1/json/data/qualities/{data_id}": {"data_qualities": {"quality": []}},
        }
        for name, answer in answers.items():
            path = base / f"{name}.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(json.dumps(answer).encode()))
        # Newer releases name the file by its address, older ones (1.5) by its id.
        for name in ("99/toy.arff.gz", "99.gz"):
            path = base / "data/v1/download" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(arff))

    return write


def write_csv(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [[f"{rng.normal(i % 2, 0.3):.4f}", "ab"[i % 2], ("no", "yes")[i % 2]] for i in range(40)]
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["size", "kind", "target"], *rows])


def write_features(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, n in (("train", 30), ("test", 15)):
        y = labels(n, 3)
        arrays[f"{part}_features"] = (rng.normal(size=(n, 6)) + y[:, None]).astype(np.float32)
        arrays[f"{part}_labels"] = y
    np.savez(root / "features.npz", **arrays)


MEDMNIST = {
    "pathmnist": (9, 3),
    "dermamnist": (7, 3),
    "octmnist": (4, 1),
    "pneumoniamnist": (2, 1),
    "retinamnist": (5, 3),
    "breastmnist": (2, 1),
    "bloodmnist": (8, 3),
    "tissuemnist": (8, 1),
    "organamnist": (11, 1),
    "organcmnist": (11, 1),
    "organsmnist": (11, 1),
}

WRITERS: dict[str, Callable[[Path], None]] = {
    "digits": lambda root: None,
    "breast_cancer": lambda root: None,
    "mnist": write_mnist_like("MNIST/raw"),
    "fashion_mnist": write_mnist_like("FashionMNIST/raw", gz=True),
    "kmnist": write_mnist_like("KMNIST/raw", gz=True),
    "emnist_letters": write_emnist("letters", 26, first=1),
    "emnist_byclass": write_emnist("byclass", 62),
    "emnist_balanced": write_emnist("balanced", 47),
    "svhn": write_svhn,
    "cifar10": write_cifar10,
    "cifar10_imb": write_cifar10,
    "cifar100": write_cifar100,
    "cifar10_jpeg": write_tree("cifar10-jpeg"),
    **{name: write_medmnist(name, *shape) for name, shape in MEDMNIST.items()},
    "image_folder": write_tree("mine"),
    "tiny_imagenet": write_tiny_imagenet,
    "mini_imagenet": write_mini_imagenet,
    "domainnet_real": write_domainnet,
    "domainnet_real_mini": write_domainnet,
    "domainnet_real_tiny": write_domainnet,
    "waterbirds": write_waterbirds,
    "breakhis": write_breakhis,
    "chest_xray": write_tree("chest_xray", channels=1, size=40),
    "openml": write_openml(40),
    "openml_6": write_openml(6),
    "openml_155": write_openml(155),
    "table": write_csv,
    "features": write_features,
}
"""Writer of every dataset config."""

_OPTIONS = {
    "image_folder": ["dataset.path=mine"],
    "openml": ["dataset.data_id=40"],
    "table": ["dataset.path=table.csv"],
    "features": ["dataset.path=features.npz"],
    # Photographs at their usual 224x224 make the slow backbones slower than a unit test may be.
    "domainnet_real": ["dataset.size=32"],
    "domainnet_real_mini": ["dataset.size=32"],
    "domainnet_real_tiny": ["dataset.size=32"],
    "waterbirds": ["dataset.size=32"],
    "breakhis": ["dataset.size=32"],
    "chest_xray": ["dataset.size=32"],
}
OVERRIDES = {name: [*_OPTIONS.get(name, []), "dataset.verify=false"] for name in WRITERS}
"""Values that a config leaves to its user, small sizes, and that these files are not the published ones."""
