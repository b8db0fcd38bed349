"""Links in the documentation lead somewhere, and what is generated is up to date."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from autoal.version import __version__
from docs.generate import links, notebooks, roles, strategies
from experiments import readme

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(p for part in ("*.md", "docs/**/*.md", "experiments/**/*.md") for p in ROOT.glob(part))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_local_links_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_the_readme_and_the_list_know_every_strategy() -> None:
    assert readme.out_of_date() == [], "run python -m experiments.readme"


def test_every_strategy_has_a_picture_and_a_page() -> None:
    missing = strategies.missing_pictures()
    assert not missing, f"run: python -m docs.generate.pictures {' '.join(missing)}"
    assert set(strategies.classes()) >= set(strategies.known())
    assert {row["family"] for row in strategies.known().values()} <= set(strategies.FAMILIES)


def test_the_pages_of_the_notebooks_show_what_their_code_prints() -> None:
    missing = notebooks.missing()
    assert not missing, f"run: python -m docs.generate.notebooks {' '.join(missing)}"
    page = notebooks.page("own_images")
    assert "1,078 can be bought" in page
    assert "data:image/png;base64," in page
    assert "```python\nimport autoal\n" in page
    assert max(len(block.splitlines()) for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL)) <= 31


def test_links_are_those_of_the_site() -> None:
    text = "[a](../experiments/README.md#x) [b](../src/autoal/rng.py) ![c](images/d.png) `[e](f.md)` [g](data.md)"
    there = links.rewrite(text, "docs/report.md", "report.md")
    assert there == "[a](experiments/index.md#x) b ![c](images/d.png) `[e](f.md)` [g](data.md)"
    notebook = links.rewrite("[a](notebooks/own_images.ipynb)", "docs/index.md", "index.md")
    assert notebook == "[a](notebooks/own_images.md)"
    drawn = "![a](data:image/png;base64,ab//cd==)"
    assert links.rewrite(drawn, "docs/notebooks/own_images.md", "notebooks/own_images.md") == drawn
    back = links.rewrite("[a](../../docs/data.md)", "experiments/deepal/README.md", "experiments/deepal.md")
    assert back == "[a](../data.md)"


def test_docstrings_become_markdown() -> None:
    text = "Of :math:`x_i`, see :func:`~autoal.kernels.badge`.\n\n    .. math:: a\n        b\n\nExample:\n"
    assert roles.markdown(text) == "Of $x_i$, see `badge`.\n\n    $$a b$$\n\nExamples:\n"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    for name in strategies.known():
        assert (tmp_path / "strategies" / "pictures" / f"{name}.svg").exists()
    for name in notebooks.names():
        assert (tmp_path / "notebooks" / f"{name}.html").exists()
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert ":math:" not in text, page
        fetched = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?://[^\" >]+)", text)
        assert not fetched, f"{page.name} fetches {fetched}"


def test_the_newest_version_is_dated_and_cited() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *_ = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})$", changes, re.MULTILINE)
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert first[0] == __version__
    assert f"version: {first[0]}\n" in cited
    assert f'date-released: "{first[1]}"' in cited


def test_the_oldest_versions_are_those_that_the_project_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    used = [name for name in extras if name not in ("bench", "dev", "docs")]
    wanted = [*project["dependencies"], *(requirement for name in used for requirement in extras[name])]
    lines = (ROOT / "constraints-lower.txt").read_text(encoding="utf-8").splitlines()
    oldest = dict(line.split("==") for line in lines if not line.startswith("#"))
    for requirement in wanted:
        ((name, bound),) = re.findall(r"^([\w-]+)>=([\d.]+)", requirement)
        assert (oldest[name] + ".").startswith(bound + "."), f"{requirement}, but the oldest is {oldest[name]}"
