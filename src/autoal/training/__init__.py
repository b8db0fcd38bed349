"""How a classifier is trained and evaluated: the Lightning module, its recipe, hooks and the pool pass."""
