"""A run directory: who may write it, and its files (ledger, checkpoints, recipe), and how a run resumes."""
