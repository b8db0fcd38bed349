"""Where the repository's texts stand on the site, and links between them.

The texts are written for a reader of the repository, so their links are paths in it. On the site a link to another
text becomes a link to its page; a link to a file that has no page stays as plain text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`(?!\]\())", re.DOTALL | re.MULTILINE)
OUTSIDE = ("http://", "https://", "mailto:", "data:", "#")
TOP = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}
README = {"": "index.md", "strategies": "strategies/index.md"}
"""Anchor of the README -> the page that stands for it."""


def page_of(path: str) -> str | None:
    """Return where a file of the repository stands on the site, None where it does not.

    Args:
        path: The file's path in the repository.
    """
    if path in TOP:
        return TOP[path]
    if path.startswith("docs/notebooks/"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    if path.startswith("docs/") and not path.startswith("docs/generate/"):
        return path.removeprefix("docs/")
    if path == "experiments/README.md":
        return "experiments/index.md"
    study = re.fullmatch(r"experiments/(\w+)(/README\.md)?", path)
    if study and (ROOT / "experiments" / study[1] / "README.md").exists():
        return f"experiments/{study[1]}.md"
    return path if path.startswith("experiments/") and path.endswith(".png") else None


def rewrite(text: str, source: str, page: str) -> str:
    """Return a text with its links as they have to be on the site.

    Args:
        text: The text, in Markdown.
        source: Its path in the repository.
        page: Its path on the site.
    """

    def one(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if match["target"].startswith(OUTSIDE):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        there = page_of(path)
        if path == "README.md":
            there, anchor = README.get(anchor), ""
        if there is None:
            return match["text"]
        relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{match['image']}[{match['text']}]({relative}{'#' + anchor if anchor else ''})"

    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(one, part) for part in parts[::2]]
    return "".join(parts)
