"""The run that nothing disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults import lives


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Outcome of the tiny margin run without a fault."""
    run_dir: Path = tmp_path_factory.mktemp("calm") / "run"
    assert lives.live(lives.config("strategy=margin"), run_dir) == 0, lives.log_of(run_dir)
    return lives.outcome(run_dir)
