"""Fixtures of the dataset tests."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autoal.data.base import Dataset
from autoal.data.build import build_dataset
from tests.composed import composed

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def dataset_of() -> Callable[..., Dataset]:
    """Build a dataset from its config: ``dataset_of("mnist", "dataset.classes=[1,2]")``."""

    def build(name: str, *overrides: str) -> Dataset:
        return build_dataset(composed(f"dataset={name}", *overrides).dataset)

    return build


def unpack(name: str, folder: Path) -> Path:
    """Unpack one of the real archives, or skip."""
    archive = REAL_DATA / name
    if not archive.exists():
        pytest.skip(f"the real data are not beside the checkout: no {archive}")
    with tarfile.open(archive) as tape:
        tape.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def real_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the real MNIST files."""
    return unpack("mnist-idx.tar.xz", tmp_path_factory.mktemp("mnist"))


@pytest.fixture(scope="session")
def real_cifar_jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the 60,000 JPEG files in ``cifar10-jpeg``."""
    root = tmp_path_factory.mktemp("cifar")
    unpack("cifar10-jpeg.tar.xz", root / "cifar10-jpeg")
    return root
