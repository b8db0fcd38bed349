"""One cluster for all SLURM tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, why_not


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running one-node cluster."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    # Not pytest's own folder: munge refuses paths that only their owner may enter.
    with tempfile.TemporaryDirectory(prefix="autoal-slurm-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
