"""AutoAL: deep active learning on PyTorch Lightning and Hydra.

Importing the package is cheap: torch is imported by the modules that need it. ``autoal.experiment`` is
:func:`autoal.run.compose.experiment`.
"""

from typing import TYPE_CHECKING, Any

from autoal.version import __version__

if TYPE_CHECKING:
    from autoal.run.compose import experiment

__all__ = ["__version__", "experiment"]


def __getattr__(name: str) -> Any:
    """Import what is named here when it is used."""
    if name == "experiment":
        from autoal.run.compose import experiment

        return experiment
    raise AttributeError(f"module 'autoal' has no attribute '{name}'")
