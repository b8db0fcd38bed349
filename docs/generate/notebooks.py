"""Pages of the notebooks: their text and code, and what the code printed when it was last carried out.

The notebooks are kept without outputs. ``python -m docs.generate.notebooks [NAME ...]`` carries them out and
stores the outputs in ``outputs.json`` by the text of the cell; one that was changed since has none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "notebooks"
OUTPUTS = Path(__file__).with_name("outputs.json")
_LONG = 30
_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FOLDER = re.compile(r"/\S*?/tmp\w{8}")


def names() -> list[str]:
    """Return the names of the notebooks."""
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def cells(name: str) -> list[dict[str, Any]]:
    """Return the cells of a notebook, with their text in one piece and its key among the outputs."""
    found = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [{"kind": cell["cell_type"], "text": "".join(cell["source"])} for cell in found]


def key(text: str) -> str:
    """Return the name of a code cell among the outputs."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def missing() -> list[str]:
    """Return the notebooks with a code cell that has not been carried out as it stands."""
    stored = json.loads(OUTPUTS.read_text(encoding="utf-8"))
    code = {name: [cell["text"] for cell in cells(name) if cell["kind"] == "code"] for name in names()}
    return [name for name, texts in code.items() if [key(text) for text in texts] != list(stored.get(name, {}))]


def page(name: str) -> str:
    """Return a notebook as Markdown, with its stored outputs."""
    stored = json.loads(OUTPUTS.read_text(encoding="utf-8")).get(name, {})
    parts = []
    for cell in cells(name):
        if cell["kind"] == "markdown":
            parts.append(cell["text"])
            continue
        parts.append(f"```python\n{cell['text']}\n```")
        outputs = stored.get(key(cell["text"]), [])
        lines = [line for output in outputs for line in output.get("text", "").splitlines() if "text" in output]
        if len(lines) > _LONG:
            lines = [*lines[: _LONG // 2], "...", *lines[-_LONG // 2 :]]
        if lines:
            parts.append("```text\n" + "\n".join(lines) + "\n```")
        drawn = [output["png"] for output in outputs if "png" in output]
        parts += [f"![What the cell above draws](data:image/png;base64,{png})" for png in drawn]
    parts.append(f"The notebook itself is `docs/notebooks/{name}.ipynb`. A test carries it out.")
    return "\n\n".join(parts) + "\n"


def carry_out(name: str) -> dict[str, list[dict[str, str]]]:
    """Carry out a notebook in a new kernel; return what each code cell printed or drew."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
    return {
        key(cell["source"]): [shown for output in cell["outputs"] if (shown := _shown(output))]
        for cell in notebook.cells
        if cell["cell_type"] == "code"
    }


def _shown(output: Any) -> dict[str, str] | None:
    """Return what a page shows of an output; nothing of progress and warnings, which go to stderr."""
    if output["output_type"] == "stream":
        text = output["text"] if output["name"] == "stdout" else ""
    else:
        data = output.get("data", {})
        if "image/png" in data:
            return {"png": data["image/png"].replace("\n", "")}
        text = data.get("text/plain", "")
    # A line that a progress display has written over is gone from a screen, and so from the page.
    lines = [line.rpartition("\r")[2].rstrip() for line in _TERMINAL.sub("", text).split("\n")]
    text = _FOLDER.sub("...", "\n".join(lines)).strip("\n")
    return {"text": text} if text else None


def main(wanted: list[str]) -> None:
    """Carry out some notebooks, or all, and store what they print."""
    stored = json.loads(OUTPUTS.read_text(encoding="utf-8")) if OUTPUTS.exists() else {}
    for name in wanted or names():
        stored[name] = carry_out(name)
    kept = {name: stored[name] for name in names() if name in stored}
    OUTPUTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
