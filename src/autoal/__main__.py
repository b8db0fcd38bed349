"""``python -m autoal``: the ``autoal`` command."""

from __future__ import annotations

import sys

from autoal.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
