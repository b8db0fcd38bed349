"""How this program was called, for the commands that it prints: they work where they were printed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "AUTOAL_PROGRAM"
"""Environment variable by which a process that starts others tells them what the user had called."""


AUTOAL_TRAIN = "autoal train"
"""What ``sys.argv[0]`` is where the ``autoal`` command runs an experiment."""


def program() -> str:
    """Return the words that start an experiment from the current folder, quoted for a shell.

    ``python train.py`` or ``autoal train``, whichever was called; the interpreter's path where ``python`` would
    find another one, and the path of ``train.py`` where it stands elsewhere.

    Example:
        >>> program()
        'python train.py'
    """
    told = os.environ.get(VARIABLE)
    if told:
        return told
    called = sys.argv[0] if sys.argv else ""
    if called == AUTOAL_TRAIN:
        return AUTOAL_TRAIN if shutil.which("autoal") else shlex.join([_python(), "-m", *AUTOAL_TRAIN.split()])
    if Path(called).name != "train.py":
        return "python train.py"
    return shlex.join([_python(), called])


def resume_command(run_dir: Path, trust: Sequence[str] = ()) -> str:
    """Return the command that continues a run, quoted for a shell.

    Args:
        run_dir: Its run directory.
        trust: What the command line of now trusts and the next one has to name again; never what a run
            directory says.

    Example:
        >>> print(resume_command(Path("/runs/my run/seed=0")))
        python train.py 'resume=/runs/my run/seed=0'
        >>> print(resume_command(Path("runs/a"), ["my_package"]))
        python train.py resume=runs/a 'trust=[my_package]'
    """
    words = [f"resume={run_dir}", *([f"trust=[{','.join(trust)}]"] if trust else [])]
    return f"{program()} {shlex.join(words)}"


def _python() -> str:
    found = shutil.which("python")
    # Not the resolved paths: an environment's python is a link to another's.
    return "python" if found and Path(found).absolute() == Path(sys.executable).absolute() else sys.executable
