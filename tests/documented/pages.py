"""The commands that the pages show, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for pattern in ("README.md", "docs/**/*.md", "experiments/**/README.md")
    for path in sorted(ROOT.glob(pattern))
    # That page makes a package of its own; tests/test_extend.py carries it out.
    if path.name != "extend.md"
)
PROGRAMS = (
    "python",
    "autoal",
    "make",
    "torchrun",
    "srun",
    "pip",
    "source",
    "git",
    "sbatch",
    "nvidia-smi",
    "wandb",
)
FORM = re.compile(r"<\w+>|\.\.\.|\[--")
"""What marks a command as a form to fill in: it is no command yet."""


@dataclass(frozen=True)
class Command:
    """One command of a page, as it is typed, without its comment."""

    page: str
    text: str

    @property
    def is_form(self) -> bool:
        """Whether it has places to fill in."""
        return FORM.search(self.text) is not None


def uncommented(line: str) -> str:
    """Return a line without a comment at its end."""
    return re.sub(r"\s+#.*$", "", line).strip()


def _is_command(text: str) -> bool:
    first, _, rest = text.partition(" ")
    # In a sentence, "autoal report" alone is the name of a part of the program.
    mention = re.fullmatch(r"(autoal|wandb) [a-z]+|srun -n2|python train\.py", text) is not None
    return first in PROGRAMS and re.match(r"[a-z'.-]", rest) is not None and not mention


def commands(page: str) -> Iterator[Command]:
    """Yield what a page shows in blocks and in its sentences."""
    text = (ROOT / page).read_text(encoding="utf-8")
    seen = set()
    pattern = r"```(?P<language>\w*)\n(?P<block>.*?)```|(?<!`)`(?P<inline>[^`]+)`(?!`)"
    for match in re.finditer(pattern, text, re.DOTALL):
        if match["inline"]:
            found = [re.sub(r"\s+", " ", match["inline"])]
        elif match["language"] in ("", "bash"):
            found = [uncommented(line) for line in re.sub(r"\\\n\s*", "", match["block"]).splitlines()]
        else:
            found = []
        for line in found:
            if _is_command(line) and line not in seen:
                seen.add(line)
                yield Command(page, line)


EVERY = tuple(command for page in PAGES for command in commands(page))
