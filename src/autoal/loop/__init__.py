"""The active-learning loop inside one Trainer.fit: rounds, purchases, queries, what is recorded and shown."""
