"""What the files of a run directory and of a sweep are called: the one place that spells their names."""

from __future__ import annotations

CONFIG = ".hydra/config.yaml"
"""The composed config."""

OVERRIDES = ".hydra/overrides.yaml"
"""The command line's overrides."""

LEDGER = "ledger.jsonl"
"""Every label that was bought."""

ROUNDS = "rounds.csv"
"""One row per round."""

SUMMARY = "summary.json"
"""How the run stands or how it ended."""

CHECKPOINTS = "checkpoints"
"""The folder of the checkpoints."""

CHECKPOINT = f"{CHECKPOINTS}/last.ckpt"
"""The newest checkpoint."""

LOG = "train.log"
"""What the run says."""

CURVE = "curve.png"
"""The learning curve so far."""

WEIGHTS = "strategy_weights.png"
"""What AutoAL's search has learnt."""

CALLBACKS = "callbacks.jsonl"
"""What callbacks log."""

LOCK = ".lock"
"""Held by the process that writes."""

OUTPUT = "output.log"
"""What a cell of a sweep prints, in a process of its own."""

SWEEP = "multirun.yaml"
"""The config that a sweep was last started with, in the sweep's directory."""

POOL = "pool.jsonl"
"""Which images belong to a run whose labels people give."""

QUERIES = "queries"
"""The folder of what people are asked."""

ANSWERS = "answers.jsonl"
"""What people answered."""

DECISIONS = "decisions.jsonl"
"""What the run made of their answers."""

PREDICTIONS = "predictions.npz"
"""What each round took the test samples for."""

LABEL_STUDIO = "labelstudio.json"
"""Where a run was sent to people on a Label Studio server."""
