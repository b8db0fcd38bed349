"""The two settings that one CPU core can run with every strategy: digits, and MNIST as ALFA-Mix has it.

Studies that look at them from different sides share their runs, in ``runs/studies/small``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autoal.run.study import every_strategy
from autoal.run.study_runs import Setting

RUNS = "small"
"""Folder of ``runs/studies``."""

CONTROLS: tuple[tuple[str, ...], ...] = (
    # Weights of AutoAL's candidates that are not learnt, with a choice by k-means, and learnt ones with herding.
    ("fixed_kmeans", "strategy=autoal", "strategy.query=kmeans"),
    ("learnt_herding", "strategy=autoal", "strategy.weights=global"),
    # The last step of REFINE, on as many samples as its candidates see.
    ("refine_control", "strategy=refine", "strategy.passes=0", "strategy.candidates_cap=5000"),
)
"""What the study of the search looks at beside the strategies by name."""

DIGITS = Setting(
    name="digits",
    # The defaults of conf/: an MLP of 256 units with dropout 0.5, Adam, 40 + 10 x 20 labels.
    overrides=("dataset=digits", "backbone=mlp", "trainer=cpu"),
    # A sixteenth of the paper's channels and 5 of its 100 epochs: one CPU core trains it.
    # A ceiling of 30 batches instead of 100.
    strategies=(
        *every_strategy({"vaal": ("strategy.width=8", "strategy.epochs=5"), "boss": ("strategy.batches=30",)}),
        *CONTROLS,
    ),
    seeds=tuple(range(10)),
)

MNIST = Setting(
    name="mnist",
    overrides=("+experiment=alfamix_cvpr22/mnist_mlp", "trainer=cpu"),
    strategies=(
        *every_strategy(
            {
                "vaal": ("strategy.width=8", "strategy.max_steps=100"),
                # A fifth of the paper's subset.
                "uncertaingcn": ("strategy.subset=2000",),
                "coregcn": ("strategy.subset=2000",),
                "boss": ("strategy.batches=10",),
                # Two batches of each candidate in each of two passes, instead of eleven in each of five.
                "refine": ("strategy.passes=2", "strategy.batches=18"),
                # A tenth of the steps, of the label configurations; a fifth of the targets.
                "activeft": ("strategy.steps=30",),
                "batchbald": ("strategy.configurations=100",),
                "epig": ("strategy.n_targets=100",),
                # Of 60,000 samples 10,000 stand for the pool, as for autoal by default.
                **dict.fromkeys(
                    ("maxherding", "uherding", "wide_herding", "facility_location"), ("strategy.targets=10000",)
                ),
            }
        ),
        *CONTROLS,
    ),
    # The published program's.
    seeds=(1, 10, 100, 1000, 10000),
)


RECENT = (
    *("activeft", "bait", "batchbald", "boss", "cal", "clue", "cluster_margin", "dcom", "direct", "dropquery"),
    *("epig", "facility_location", "falcun", "galaxy", "ldm_s", "maxherding", "noise_stability", "power"),
    *("probcover", "refine", "selectal", "similar", "softmax_batch", "softrank_batch", "tcm", "typiclust"),
    *("uherding", "wide_herding"),
)
"""Strategies since 2020 whose query batches are looked at."""


def part(setting: Setting, names: Sequence[str]) -> Setting:
    """Return a setting with some of its strategies alone, and their options."""
    kept = [s for s in setting.strategies if (s if isinstance(s, str) else s[0]) in names]
    return replace(setting, strategies=tuple(kept))
