"""Packs ``conf/`` into the package as ``autoal/conf`` when it is built; everything else is in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    """Copies the config tree, which stands at the top of the checkout, into the built package."""

    def run(self) -> None:
        """Build; an editable installation reads the checkout's own tree."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "autoal" / "conf"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(__file__).resolve().parent / "conf", target)


setup(cmdclass={"build_py": BuildWithConf})
