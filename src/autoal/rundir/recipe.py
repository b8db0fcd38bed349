"""The recipe: everything that defines a learning curve except strategy and seed, as one short hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

RECIPE_GROUPS = ("dataset", "backbone", "optimizer", "loop")
RECIPE_TRAINER_KEYS = ("precision", "gradient_clip_val", "sync_batchnorm")

NOT_RECIPE = {
    "dataset": ("cache", "workers", "verify", "allow_outside"),
    "backbone": ("compile", "channels_last"),
    "loop": ("checkpoint_every", "eval_batch_size"),
}
"""Keys of those groups that change how a run is carried out and not its curve."""


def recipe_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved config that defines the curve."""
    recipe: dict[str, Any] = {}
    for group in RECIPE_GROUPS:
        skip = NOT_RECIPE.get(group, ())
        recipe[group] = {k: v for k, v in dict(config[group]).items() if k not in skip}
    trainer = dict(config["trainer"])
    recipe["trainer"] = {k: trainer.get(k) for k in RECIPE_TRAINER_KEYS}
    return recipe


def recipe_hash(config: Mapping[str, Any]) -> str:
    """Return ten hex digits that two runs share exactly when they may be compared."""
    text = json.dumps(recipe_of(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
