"""What is replaced or relied on inside Lightning is still there; no release is allowed unseen."""

from __future__ import annotations

import inspect
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.connectors.callback_connector import _CallbackConnector
from packaging.requirements import Requirement
from packaging.version import Version

from autoal.loop.callback import ActiveLearning
from autoal.training.trainer import build_trainer


def test_the_next_minor_release_is_not_taken_unseen(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (lightning,) = (r for r in map(Requirement, project["dependencies"]) if r.name == "lightning")
    installed = Version(metadata.version("lightning"))
    assert lightning.specifier.contains(installed)
    assert not lightning.specifier.contains(f"{installed.major}.{installed.minor + 1}.0")
    assert not lightning.specifier.contains(f"{installed.major + 1}.0.0")


def test_the_question_before_each_step_is_where_it_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning's loop calls ``_broadcast_sigterm_tensor`` on itself, without arguments, where there are ranks."""
    trainer = build_trainer({"accelerator": "cpu"}, [])
    loop: Any = trainer.fit_loop.epoch_loop
    kind = type(loop)
    assert list(inspect.signature(kind._broadcast_sigterm_tensor).parameters) == ["self"]
    assert "self._broadcast_sigterm_tensor()" in inspect.getsource(kind.advance)
    monkeypatch.setattr(kind, "_broadcast_sigterm_tensor", lambda self: pytest.fail("Lightning's own was called"))
    loop._broadcast_sigterm_tensor()


def test_the_process_group_may_be_there_already() -> None:
    """LoopbackDDP makes it and leaves the rest to Lightning, which has to find it."""
    assert callable(DDPStrategy._get_process_group_backend)
    source = inspect.getsource(DDPStrategy.setup_distributed)
    assert "set_world_ranks" in source
    assert "_init_dist_connection" in source
    from lightning.fabric.utilities.distributed import _init_dist_connection

    assert "is_initialized()" in inspect.getsource(_init_dist_connection)


def test_what_writes_checkpoints_comes_last() -> None:
    """The loop ends a round when every other callback has had its say."""
    loop, first, last = ActiveLearning.__new__(ActiveLearning), Callback(), Callback()
    assert isinstance(loop, Checkpoint)
    assert _CallbackConnector._reorder_callbacks([loop, first, last]) == [first, last, loop]
