"""Logging: everything into the run's ``train.log``, only warnings to the terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def quiet() -> None:
    """Keep the libraries' chatter out of the terminal; their warnings and errors stay."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("autoal").setLevel(logging.INFO)
    if not logging.getLogger().handlers:
        # A rank has no logging of Hydra's; without this its warnings would go only into the file.
        console = logging.StreamHandler()
        console.setFormatter(logging.Formatter(FORMAT))
        logging.getLogger().addHandler(console)
    # The console keeps to warnings though the package's records go down to INFO.
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler and handler.level < logging.WARNING:
            handler.setLevel(logging.WARNING)
    # Lightning's advice on workers, intervals and the like is about loops that this package's are not.
    warnings.filterwarnings("ignore", module="lightning")


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append the package's records to a file for the time of the block."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
