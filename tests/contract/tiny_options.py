"""Options that make an expensive strategy cheap enough for the contract suite; its behaviour is unchanged."""

from __future__ import annotations

from typing import Any

TINY: dict[str, dict[str, Any]] = {
    "autoal_search": {"steps": 12},
    "autoal_paper": {"steps": 24, "warmup_steps": 6},
    "autoal_released": {"steps": 24, "warmup_steps": 6},
    "activeft": {"steps": 3},
    "boss": {"batches": 3, "epochs": 1, "by_class": ["typiclust"]},
    "refine": {"batches": 10, "passes": 2, "first": 30},
    "selectal": {"folds": 2},
    "loss_prediction": {"fit_epochs": 2},
    "vaal": {"max_steps": 2, "width": 4},
    "coregcn": {"epochs": 3},
    "uncertaingcn": {"epochs": 3},
    "waal": {"fit_steps": 3},
}
