"""Every key and every choice that the page names exists in what it composes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from autoal.config.command_line import choices, conf_dir
from tests.composed import composed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming_from.md"
TOOLKITS = ("AutoAL", "DeepAL+", "ALFA-Mix")


def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of each section's table, by the section's title."""
    found: dict[str, list[list[str]]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("|") and not line.startswith(("| There |", "| ---")):
            found.setdefault(section, []).append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return found


def named(text: str) -> Iterator[tuple[str, str]]:
    """Yield (section, backticked words) of the middle columns, and (prose, key) of backticked keys elsewhere."""
    for section, rows in tables(text).items():
        for row in rows:
            for words in re.findall(r"`([^`]+)`", row[1]):
                yield section, words
    for words in re.findall(r"`((?:loop|backbone|dataset|optimizer|trainer|paths)\.[\w.]+(?:=[^`\s]+)?)`", text):
        yield "prose", words


def check(words: str) -> None:
    """Compose the choices among some overrides; every key among them has to exist then."""
    groups, keys = [], []
    for word in words.split():
        key, equals, value = word.partition("=")
        group = key.lstrip("+")
        if (conf_dir() / group).is_dir():
            assert equals, f"{word}: {group} is a choice and needs a name"
            for name in value.split(","):
                assert name in choices(group), f"{word}: no {conf_dir() / group / name}.yaml"
            groups.append(f"{key}={value.split(',')[0]}")
        else:
            keys.append(key)
    config = composed(*sorted(groups))
    for key in keys:
        parent, _, leaf = key.rpartition(".")
        node = OmegaConf.select(config, parent) if parent else config
        assert isinstance(node, DictConfig), f"{words}: no {parent}"
        assert leaf in node, f"{words}: {parent or 'the config'} has no {leaf}, but {', '.join(map(str, node))}"


def test_there_is_a_table_for_each_toolkit() -> None:
    found = tables(PAGE.read_text(encoding="utf-8"))
    assert tuple(found) == TOOLKITS
    for section, rows in found.items():
        assert all(len(row) == 3 for row in rows), section


@pytest.mark.slow
@pytest.mark.parametrize("section", [*TOOLKITS, "prose"])
def test_every_key_exists(section: str) -> None:
    wanted = sorted({words for where, words in named(PAGE.read_text(encoding="utf-8")) if where == section})
    assert wanted
    for words in wanted:
        check(words)


def test_single_methods_say_where_they_differ_from_their_programs() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Programs of single methods")[2]
    for method in ("tailor", "coregcn", "uncertaingcn", "albl", "ceal", "vaal"):
        assert f"`strategy={method}`" in section
        check(f"strategy={method}")
    check("strategy=ceal strategy.threshold strategy.decay")
    check("strategy=vaal strategy.epochs strategy.max_steps strategy.width")


@pytest.mark.parametrize(
    "words",
    ["loop.n_inti", "strategy=margni", "strategy=badge strategy.alpha_cap", "lop.n_init", "backbone", "sed=1"],
)
def test_a_key_that_does_not_exist_is_found(words: str) -> None:
    with pytest.raises(AssertionError):
        check(words)


def test_the_flags_that_mislead_most_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    flags = {flag for rows in tables(text).values() for row in rows for flag in re.findall(r"`(--?\w+)`", row[0])}
    assert {"--quota", "--batch", "--initseed", "--ratio", "--iteration"} <= flags
    assert {"--n_init_lb", "--alpha_cap", "--train_to_end", "--n_validation_set", "--seeds"} <= flags
