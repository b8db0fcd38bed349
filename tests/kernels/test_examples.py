"""Every public kernel has an example in its docstring, and each says what comes out."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from autoal import kernels

MODULES = ["autoal.kernels", *(f"autoal.kernels.{m.name}" for m in pkgutil.iter_modules(kernels.__path__))]


def run(tests: list[doctest.DocTest]) -> int:
    """Carry out examples; returns how many there were."""
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    assert runner.failures == 0
    return runner.tries


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    run(doctest.DocTestFinder().find(importlib.import_module(name)))


@pytest.mark.parametrize("name", kernels.__all__)
def test_every_public_kernel_has_an_example(name: str) -> None:
    # By itself: a module's search passes over functions that a decorator of another module has wrapped.
    kernel = inspect.unwrap(getattr(kernels, name))
    globs = dict(vars(importlib.import_module(kernel.__module__)))
    tests = doctest.DocTestFinder(recurse=False).find(kernel, name, module=False, globs=globs)
    assert run(tests) > 0, f"autoal.kernels.{name} has no >>> example"
