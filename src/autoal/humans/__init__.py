"""People as the oracle: queries on disk, answers that are never lost, what they come to, and tools."""
