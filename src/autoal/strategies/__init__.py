"""Query strategies: one module each; see :mod:`autoal.strategies.registry`."""
