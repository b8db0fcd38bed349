"""Every public kernel has an example in its docstring, and each says what comes out."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from autoal import kernels

MODULES = ["autoal.kernels", *(f"autoal.kernels.{m.name}" for m in pkgutil.iter_modules(kernels.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", kernels.__all__)
def test_every_public_kernel_has_an_example(name: str) -> None:
    assert ">>>" in (getattr(kernels, name).__doc__ or ""), f"autoal.kernels.{name} has no >>> example"
