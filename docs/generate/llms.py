"""``llms.txt``: what AutoAL is and where to read on, for language models (https://llmstxt.org)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs.generate import links, strategies


def llms_text(config: Any, texts: Mapping[str, str]) -> str:
    """Return the text: every page of the navigation, and every strategy.

    Args:
        config: The site's config, with its navigation.
        texts: Text of the pages that are no files of ``docs/``, by page.
    """
    lines = ["# AutoAL", "", f"> {config.site_description}", ""]
    for section in config.nav:
        for heading, pages in section.items():
            lines += [f"## {heading}", ""]
            for page in [pages] if isinstance(pages, str) else pages:
                path = page if isinstance(page, str) else next(iter(page.values()))
                lines.append(f"- [{_heading(path, texts)}]({Path(path).with_suffix('.html').as_posix()})")
            lines.append("")
    lines += ["## Every strategy", ""]
    lines += [f"- `{name}` ({row['family']}): {row['summary']}" for name, row in strategies.known().items()]
    return "\n".join(lines) + "\n"


def _heading(path: str, texts: Mapping[str, str]) -> str:
    """Return a page's first heading."""
    text = texts[path] if path in texts else (links.ROOT / "docs" / path).read_text(encoding="utf-8")
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))
