"""The active-learning loop as a Lightning callback, and what a person sees of it."""
