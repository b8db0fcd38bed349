"""Formulas as MathML, which browsers show without a script from elsewhere."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

MARKED = re.compile(r'<(?P<tag>span|div) class="arithmatex">(?P<body>.*?)</(?P=tag)>', re.DOTALL)


def with_mathml(page: str) -> str:
    """Return a page's HTML with every formula that the Markdown extension marked turned into MathML."""

    def one(match: re.Match[str]) -> str:
        body = html.unescape(match["body"]).strip()
        display = "block" if match["tag"] == "div" else "inline"
        formula = re.sub(r"^\\[(\[]|\\[)\]]$", "", body)
        return convert(formula, display=display)

    return MARKED.sub(one, page)
