"""Docstrings as Markdown: the roles of reStructuredText that the code uses become what Markdown has for them."""

from __future__ import annotations

import re
from typing import Any

import griffe

BLOCK = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 {2,}\S.*))*)", re.MULTILINE)
MATH = re.compile(r":math:`([^`]*)`")
EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)
ROLE = re.compile(r":(?:\w+):`~?(?:[\w.]*\.)?(\w+)`")


def markdown(text: str) -> str:
    """Return a docstring in Markdown."""
    text = BLOCK.sub(lambda m: f"{m[1]}$${' '.join(m[2].split())}$$", text)
    text = MATH.sub(lambda m: f"${' '.join(m[1].split())}$", text)
    text = EXAMPLE.sub(r"\1Examples:", text)
    return ROLE.sub(r"`\1`", text)


class Roles(griffe.Extension):
    """Rewrites every docstring once, when its object has been read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the object's docstring."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
