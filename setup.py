"""Packs ``conf/`` into the package as ``autoal/conf``, and makes the README a page for a package index.

Everything else is in pyproject.toml.
"""

from __future__ import annotations

import re
import shutil
import tomllib
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
            shutil.copytree(ROOT / "conf", target)


def index_page(readme: str, repository: str | None) -> str:
    """Return the README with links that work where the repository's other files are not.

    Args:
        readme: The text, with paths in the repository as links.
        repository: Address of the repository, ``[project.urls] Repository`` in pyproject.toml. Without one, a link
            to a file is only its text and a picture is left out.
    """

    def one(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if target.startswith(("https://", "http://", "mailto:", "#")):
            return match[0]
        if repository is None:
            return "" if image else text
        return f"{image}[{text}]({repository.rstrip('/')}/{'raw' if image else 'blob'}/main/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", one, readme)


ROOT = Path(__file__).resolve().parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

setup(
    cmdclass={"build_py": BuildWithConf},
    long_description=index_page(
        (ROOT / "README.md").read_text(encoding="utf-8"), PROJECT.get("urls", {}).get("Repository")
    ),
    long_description_content_type="text/markdown",
)
