"""A copy of the checkout in which a test may write, build and run anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# What ``make`` hands on to everything below it: with these, a ``make run`` in a test gets the suite's arguments.
_OF_MAKE = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "STUDY", "WORKERS")


def copy_checkout(root: Path, target: Path) -> Path:
    """Copy what belongs to the checkout: every file that git tracks or would add.

    Args:
        root: The checkout.
        target: A new folder.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        source, copy = root / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            shutil.copymode(source, copy)
    return target


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a person's shell: without what the test run and its ``make`` set."""
    of_this_test = ("PYTHONPATH", "HYDRA_FULL_ERROR", "AUTOAL_DATA", *_OF_MAKE)
    kept = {k: v for k, v in os.environ.items() if k not in of_this_test}
    return {**kept, **changes}


def site_packages() -> Path:
    """Return where the packages of the test's own Python are, torch among them."""
    import torch

    found = Path(torch.__file__).resolve().parents[1]
    assert found.is_dir(), sys.path
    return found
