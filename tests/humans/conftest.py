"""The Label Studio server that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoal.humans.labelstudio.client import LabelStudio
from tests.humans.studio import KEY, Studio


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which the server reads files: that of all tests."""
    return tmp_path_factory.getbasetemp().resolve()


@pytest.fixture(scope="session")
def server(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A server that runs; skips with the reason where there can't be one."""
    process = Studio.begin(tmp_path_factory.mktemp("studio") / "data", served)
    yield LabelStudio(process.url, KEY)
    process.close()


@pytest.fixture
def studio(server: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> LabelStudio:
    """The server, and its key in the environment."""
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
    return server
