"""The site's own part of the build, called by mkdocs: generated pages, navigation, links, formulas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from docs.generate import drawing, formulas, links, notebooks, reference, strategies
from docs.generate.llms import llms_text

ROOT = links.ROOT
CONCEPTS = [
    *("concepts.md", "autoal.md", "which_strategy.md", "what_to_expect.md", "does_the_search_pay.md"),
    "semi_supervised.md",
]
LAST = ["promises.md", "releasing.md"]


def sources() -> dict[str, str]:
    """Return the repository's texts outside ``docs/`` that have a page: page -> path in the repository."""
    readmes = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "experiments").glob("**/README.md"))]
    there = [path for path in (*links.TOP, *readmes) if (ROOT / path).exists()]
    return {page: path for path in there if (page := links.page_of(path))}


def on_config(config: Any) -> Any:
    """Make the navigation: pages of ``docs/`` that no section names are how-tos."""
    own = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    named = {"index.md", *CONCEPTS, *LAST}
    families = [{strategies.title(f): strategies.page_name(f)} for f in strategies.FAMILIES]
    texts = sources()
    config.nav = [
        {"Start here": "index.md"},
        {"Concepts": [page for page in CONCEPTS if page in own]},
        {"Strategies": ["strategies/index.md", *families]},
        {"How-tos": [page for page in own if page not in named]},
        {"Notebooks": [f"notebooks/{name}.md" for name in notebooks.names()]},
        {"Experiments": [page for page in texts if page.startswith("experiments/")]},
        {"Reference": sorted(reference.pages())},
        {"Project": [page for page in LAST if page in own] + [p for p in texts if "/" not in p]},
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and pictures that no file of ``docs/`` holds."""
    texts = {page: (ROOT / path).read_text(encoding="utf-8") for page, path in sources().items()}
    texts["strategies/index.md"] = strategies.overview()
    texts |= {strategies.page_name(family): strategies.family_page(family) for family in strategies.FAMILIES}
    texts |= reference.pages()
    texts |= {f"notebooks/{name}.md": notebooks.page(name) for name in notebooks.names()}
    picks = json.loads(strategies.PICKS.read_text(encoding="utf-8"))
    for name, bought in picks["strategies"].items():
        svg = drawing.picture(picks["points"], bought, f"What {name} buys of a problem in the plane")
        texts[f"strategies/pictures/{name}.svg"] = svg
    texts["llms.txt"] = llms_text(config, texts)
    for path, text in texts.items():
        files.append(File.generated(config, path, content=text))
    for image in sorted((ROOT / "experiments").glob("**/*.png")):
        files.append(File.generated(config, image.relative_to(ROOT).as_posix(), abs_src_path=str(image)))
    return files


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    """Turn paths in the repository into links of the site, and leave out the markers of generated tables."""
    path = page.file.src_uri
    if path.startswith(("strategies/", "reference/")):
        return markdown
    source = sources().get(path, f"docs/{path}")
    return re.sub(r"^<!-- .*? -->\n", "", links.rewrite(markdown, source, path), flags=re.MULTILINE)


def on_page_content(html: str, **kwargs: Any) -> str:
    """Write formulas as MathML."""
    return formulas.with_mathml(html)


def on_post_build(config: Any) -> None:
    """Remove what only the build needs."""
    for leftover in Path(config.site_dir).glob("generate"):
        raise RuntimeError(f"{leftover} does not belong on the site")
