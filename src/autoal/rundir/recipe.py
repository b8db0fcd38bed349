"""The recipe: everything that defines a learning curve except strategy and seed, as one short hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from autoal.config.root import SUPERVISED

RECIPE_GROUPS = ("dataset", "backbone", "optimizer", "loop")
RECIPE_TRAINER_KEYS = (
    *("precision", "gradient_clip_val", "gradient_clip_algorithm"),
    *("accumulate_grad_batches", "sync_batchnorm"),
)
NEUTRAL = {"gradient_clip_algorithm": (None, "norm"), "accumulate_grad_batches": (None, 1)}
"""Values of trainer keys at which they change nothing."""

ABSENT: dict[str, dict[str, Any]] = {"loop": {"steps_per_epoch": None}, "optimizer": {"decay": "all"}}
"""Keys that came later, and the value at which they change nothing: hashes of earlier runs stay what they were."""

NOT_RECIPE = {
    "dataset": ("cache", "workers", "verify", "allow_outside"),
    "backbone": ("compile", "channels_last"),
    "loop": ("checkpoint_every", "eval_batch_size"),
}
"""Keys of those groups that change how a run is carried out and not its curve."""


OBSERVERS = tuple(f"lightning.pytorch.callbacks.{name}" for name in ("LearningRateMonitor", "DeviceStatsMonitor"))
"""Callbacks that only look on; any other one may change a curve."""


def recipe_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved config that defines the curve."""
    recipe: dict[str, Any] = {}
    for group in RECIPE_GROUPS:
        skip = NOT_RECIPE.get(group, ())
        later = ABSENT.get(group, {})
        recipe[group] = {
            k: v for k, v in dict(config[group]).items() if k not in skip and not (k in later and v == later[k])
        }
    training = config.get("training") or SUPERVISED
    if training != SUPERVISED:
        recipe["training"] = dict(training)
    if config.get("features") is not None:
        recipe["features"] = {"path": config["features"]}
    callbacks = {name: value for name, value in (config.get("callbacks") or {}).items() if _may_change(value)}
    if callbacks:
        recipe["callbacks"] = callbacks
    n_test = (config.get("oracle") or {}).get("n_test")
    if n_test:
        recipe["oracle"] = {"n_test": n_test}
    trainer = dict(config["trainer"])
    recipe["trainer"] = {
        # A key at its neutral value is left out, so that the hash of a plain run stays what it was.
        k: trainer.get(k)
        for k in RECIPE_TRAINER_KEYS
        if trainer.get(k) not in NEUTRAL.get(k, ())
    }
    if not recipe["trainer"]["gradient_clip_val"]:
        recipe["trainer"].pop("gradient_clip_algorithm", None)
    return recipe


def _may_change(callback: Any) -> bool:
    return not isinstance(callback, Mapping) or callback.get("_target_") not in OBSERVERS


def recipe_hash(config: Mapping[str, Any]) -> str:
    """Return ten hex digits that two runs share exactly when they may be compared."""
    text = json.dumps(recipe_of(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
