"""AutoAL: deep active learning on PyTorch Lightning and Hydra.

Importing the package is cheap: torch is imported by the modules that need it.
"""

from autoal.version import __version__

__all__ = ["__version__"]
