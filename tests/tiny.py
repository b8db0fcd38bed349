"""Where the tiny world was; it is in :mod:`autoal.testing.tiny`."""

from autoal.testing.tiny import BACKBONE, OPTIMIZER, TinyBackbone, TinyImages, tiny_context, tiny_task

__all__ = ["BACKBONE", "OPTIMIZER", "TinyBackbone", "TinyImages", "tiny_context", "tiny_task"]
